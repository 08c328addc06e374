"""How long a row takes in each stage: from the runs in the workspace, or from embedding a few rows now."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstock.errors import ParamsError
from rootstock.finetuning.layers import layers_of
from rootstock.finetuning.pace import rows_per_second
from rootstock.params import Params, parse_params
from rootstock.part import FineTuneMethod
from rootstock.records import PreparedData, load_json
from rootstock.rows import bare_encoder, feature_folder

from rootstock_flows.workload import Forward, sizes_of, work_of

#: So many runs, the newest, say how fast this machine is.
RUNS = 10


@dataclass(frozen=True)
class Typical:
    """What a stage takes where nothing was measured."""

    fixed: float
    """seconds, whatever the rows"""
    passes: float
    """cost of a row pass, in rows embedded"""


#: As runs of the demo took on two cores; a training pass goes forward and back, but through the last layers only where so tuned.
TYPICAL: dict[str, Typical] = {
    "resolve": Typical(0.5, 0.0), "incumbent": Typical(2.5, 0.0), "history": Typical(0.5, 0.0), "looks": Typical(0.2, 0.0),
    "prepare": Typical(1.0, 0.02),
    "validate": Typical(6.0, 0.02), "embed": Typical(1.0, 1.0), "score": Typical(2.0, 0.1), "select": Typical(0.5, 1.5),
    "tune": Typical(0.5, 2.0), "finetune": Typical(0.5, 1.5), "ladder": Typical(0.5, 1.5), "measure": Typical(0.5, 1.0),
    "reload": Typical(6.0, 1.0), "decide": Typical(0.2, 0.0), "register": Typical(2.0, 0.0),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One stage of one earlier run."""

    work: int
    seconds: float


def measured_runs(workspace: str) -> dict[str, tuple[Measured, ...]]:
    """Stage -> what it took in the newest runs; stages that were not run then, or had nothing to do, are left out."""
    paths = sorted((Path(workspace) / "runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime)[-RUNS:]
    found: dict[str, list[Measured]] = {}
    for path in paths:
        for stage, measured in _measured(load_json(path)):
            found.setdefault(stage, []).append(measured)
    return {stage: tuple(each) for stage, each in found.items()}


def _measured(document: Mapping[str, Any]) -> Iterable[tuple[str, Measured]]:
    """What the stages of a run took that it did not reuse; nothing for the document of another version."""
    try:
        params = parse_params(document["params"], "run.json")
        prepared = PreparedData.model_validate(document["data"]["prepared"])
    except (KeyError, ValueError, ParamsError):
        return
    scoring = document.get("scoring")
    work = work_of(
        sizes_of(prepared),
        params,
        candidates=scoring["candidates"] if scoring else 0,
        tuned_rows=document["source_tuning"]["rows"] if document["source_tuning"] else 0,
        rounds=tuple(
            (1, sum(each["source_rows"] for each in scores)) for scores in (document["selection"] or {"rounds": ()})["rounds"]
        ),
        methods=_compared(params, document),
        has_champion=bool((document.get("incumbent") or {}).get("model")),
    )
    if params.finetuning.search is not None:
        work["finetune"] = 0  # its time is the search's budget as much as the rows'
    work["embed"] = sum(each["rows"] for each in scoring["embeddings"]) if scoring else 0
    took = {stage: seconds for stage, seconds in document["seconds"].items() if stage not in document["reused"]}
    if scoring:
        took |= {"embed": scoring["embedding_seconds"], "score": scoring["scoring_seconds"]}
    if "evaluate" in took:
        took |= _parts_of_evaluate(took["evaluate"], (document.get("evaluation") or {}).get("reloading"))
    for stage, seconds in took.items():
        if work.get(stage):
            yield stage, Measured(work[stage], seconds)


def _parts_of_evaluate(seconds: float, reloading: Mapping[str, Any] | None) -> dict[str, float]:
    """What an evaluation took in its own process, and what the model took that was reloaded in another, as far as it answered."""
    if reloading is None:
        return {"measure": seconds}
    if not reloading.get("seconds"):  # of another version, which did not tell them apart
        return {}
    measured = {"measure": max(0.0, seconds - reloading["seconds"])}
    return measured if reloading["failure"] else {**measured, "reload": reloading["seconds"]}


def _compared(params: Params, document: Mapping[str, Any]) -> tuple[FineTuneMethod, ...]:
    """Methods that a run's fine-tuning compared: with ``choose: auto``, the one that it took."""
    if params.finetuning.choose != "auto":
        return params.finetuning.methods
    taken = (document.get("training") or {}).get("method")
    return tuple(method for method in params.finetuning.methods if method.name == taken)[:1] or params.finetuning.methods


def from_runs(stage: str, work: int, measured: Sequence[Measured]) -> float:
    """Seconds for ``work`` row passes: what does not grow with them, and the median over the runs of what does."""
    fixed = min(TYPICAL[stage].fixed, *(each.seconds for each in measured))
    if not TYPICAL[stage].passes:
        return statistics.median(each.seconds for each in measured)
    return fixed + work * statistics.median((each.seconds - fixed) / each.work for each in measured)


def from_sample(stage: str, work: int, seconds_per_row: float) -> float:
    """Seconds for ``work`` row passes, where embedding a row takes ``seconds_per_row``."""
    return TYPICAL[stage].fixed + work * TYPICAL[stage].passes * seconds_per_row


def measure_forward(inputs: Sequence[Any], params: Params) -> Forward:
    """How fast the first backbone embeds rows, by embedding up to 64 of ``inputs`` now; nothing is kept."""
    from rootstock.encoder import Encoder

    source = bare_encoder(
        params.backbone.name, params.data.modality, pooling=params.backbone.pooling, batch_rows=params.backbone.batch_rows,
        cache_folder=feature_folder(params.workspace),
    )  # fmt: skip
    encoder: Encoder = source.load()
    return Forward(len(layers_of(encoder.model)), rows_per_second(encoder, inputs))
