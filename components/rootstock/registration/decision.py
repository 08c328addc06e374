"""The facts of a decision: all that one run's verdict rests on, by name and hash, as the journal keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rootstock.files import sha256_of_json
from rootstock.installation import code_parts, environment
from rootstock.journal import Entry, append, read_journal
from rootstock.params import Params
from rootstock.records import (
    Dataset,
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    PreparedData,
    Resolution,
    Scored,
    Selection,
    SourceRanking,
    TrainedModel,
    ValidationReport,
)

#: Kind of the journal's entries that hold these facts.
DECISION = "decision"
#: Verdict of a run that ended before anything was trained.
INVALID_DATA = "invalid data"
#: What else is written of a run, in its folder.
REPORT_FILE = "report.html"


def run_folder(workspace: str, run_key: str) -> Path:
    """Where the report and the document of a run lie."""
    return Path(workspace) / "runs" / run_key[:16]


def decision_facts(
    trained: TrainedModel,
    report: EvalReport,
    verdict: GateVerdict,
    incumbent: Incumbent,
    ranking: SourceRanking,
    selection: Selection,
    prepared: PreparedData,
    history: History,
    *,
    run_key: str,
    trigger: str,
    params: Params,
    version: str | None,
    model_sha256: str | None,
    run_id: str,
) -> dict[str, Any]:
    """What the journal's ``decision`` entry says of a run; plain JSON values.

    ``version`` and ``model_sha256`` are those of the registered model folder, None where nothing was registered; ``run_id`` is
    MLflow's. ``incumbent`` is the champion's version; ``compared_with`` is that too where the champion could be scored, and makes
    the entry a look (see ``Looks``). ``approver`` is null: an approval comes later, as an entry of its own.
    """
    champion = report.champion
    return {
        **_began(run_key, trigger, params),
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "version": version,
        "model_sha256": model_sha256,
        "incumbent": incumbent.version,
        "compared_with": incumbent.version if champion is not None and champion.measures else None,
        "approver": None,
        "data": {
            "registry": params.data.registry,
            "target": _dataset(prepared.target),
            "sources": [_dataset(source) for source in prepared.sources],
        },
        "history": {"sha256": history.sha256(), "outcomes": len(history.outcomes)},
        "ranking": _ranking(ranking, selection),
        "training": {
            "sha256": trained.sha256(),
            "source": trained.source,
            "method": trained.method,
            "reason": trained.reason,
            "settings": trained.settings,
            "seconds": trained.seconds,
            "model": trained.model.model_dump(mode="json"),
        },
        "evaluation": {
            "sha256": report.sha256(),
            "model": {name: measure.model_dump(mode="json") for name, measure in report.measures.items()},
            "baselines": [_scored(rung) for rung in report.baselines],
            "champion": _scored(champion) if champion is not None else None,
        },
        "predictions": report.predictions.model_dump(mode="json"),
        "gates": [result.model_dump(mode="json") for result in verdict.results],
        "looks": verdict.looks.model_dump(mode="json") if verdict.looks is not None else None,
        "level": verdict.looks.level if verdict.looks is not None else None,
        "mlflow_run_id": run_id,
        **_computed(run_key, params),
    }


def record_refused_data(
    validation: ValidationReport, resolution: Resolution, incumbent: Incumbent, *, run_key: str, trigger: str, params: Params
) -> Entry | None:
    """Append the decision of a run whose data were refused; None where the journal has it already."""
    if any(entry.kind == DECISION and entry.facts["run_key"] == run_key for entry in read_journal(params.workspace)):
        return None
    failed = [result for result in validation.results if not result.passed and result.dataset not in validation.excluded_sources]
    facts = {
        **_began(run_key, trigger, params),
        "verdict": INVALID_DATA,
        "reason": "; ".join(f"{result.dataset}: check {result.check} failed: {result.reason}" for result in failed),
        "version": None,
        "model_sha256": None,
        "incumbent": incumbent.version,
        "compared_with": None,
        "approver": None,
        "data": {
            "registry": resolution.registry,
            "target": resolution.target.model_dump(mode="json"),
            "sources": [source.model_dump(mode="json") for source in resolution.sources],
        },
        **_computed(run_key, params),
    }
    return append(params.workspace, DECISION, facts, after=None)


def _began(run_key: str, trigger: str, params: Params) -> dict[str, Any]:
    return {"run_key": run_key, "task": params.task, "trigger": trigger, "model": params.registration.model}


def _computed(run_key: str, params: Params) -> dict[str, Any]:
    dumped = params.model_dump(mode="json")
    return {
        "code": code_parts(),
        "environment": environment(),
        "report": (run_folder(params.workspace, run_key) / REPORT_FILE).as_posix(),
        "params": dumped,
        "params_sha256": sha256_of_json(dumped),
    }


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        **dataset.revision.model_dump(mode="json"),
        "licence": dataset.licence,
        "splits": {name: {"rows": file.rows, "sha256": file.sha256} for name, file in dataset.splits.items()},
    }


def _ranking(ranking: SourceRanking, selection: Selection) -> dict[str, Any]:
    candidate = next((each for each in ranking.candidates if each.name == selection.chosen_name), None)
    gain = candidate.predicted_gain if candidate is not None else None
    return {
        "sha256": ranking.sha256(),
        "chosen": ranking.chosen_name,
        "reason": ranking.reason,
        "learned_from": selection.chosen_name,
        "learned_reason": selection.reason,
        "backbone": selection.backbone,
        "predicted_gain": gain.model_dump(mode="json") if gain is not None else None,
        "candidates": len(ranking.candidates),
    }


def _scored(scored: Scored) -> dict[str, Any]:
    measures = {name: measure.model_dump(mode="json") for name, measure in scored.measures.items()}
    return {"name": scored.name, "measures": measures, "note": scored.note}
