"""Targets to learn from scratch and warm, and how: what ``from_scratch.py`` measures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from few_labels import METHODS
from kept_runs import KeptRuns, recipe
from rootstock.backbone import locate, new_encoder
from rootstock.data.demo_backbone import build_backbone
from rootstock.encoder import Encoder
from rootstock.finetuning.crossvalidate import take
from rootstock.head import Head
from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
from rootstock.records import JOINT, sources_of
from rootstock.rows import bare_encoder
from transfer_families import FULL_STEPS, TEXT_BACKBONE, read_family
from transfer_outcomes import joined

KEY, MEASURED = ("case", "start", "rows", "draw", "recipe"), ("accuracy", "test_rows", "cpu_seconds", "curve")
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
OTHER_DIGITS = ("handwritten-digits", "printed-digits")
TEST_ROWS = 2000
USUAL_PENALTY = 10.0
SMALL, WIDE = "small-resnet", "wide-resnet"
#: The from-scratch control of params.yaml, in larger batches, which take two thirds of the time, and fewer epochs.
TEXT_SCRATCH: dict[str, Any] = {
    "name": "full", "learning_rate": 5e-4, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 32, "epochs": 6,
    "warmup_share": 0.1, "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal", "patience": None,
    "augmentations": (), "layer_decay": 1.0,
}  # fmt: skip
TEXT_RULE = (METHODS["linear_probe"], METHODS["lora, last layer"])
#: Rates and batches chosen on training rows that were put aside.
TEXT_FULL = METHODS["full (LP-FT)"] | {"learning_rate": 2e-4, "head_learning_rate": 3e-3, "batch_rows": 32}
#: A source is shown more widely changed than a target: nobody knows yet how large, and where, what is learned next will stand.
WIDELY_CHANGED = (
    {"name": "rotation", "degrees": 15.0}, {"name": "scaling", "smallest": 0.65, "largest": 1.4}, {"name": "crop", "smallest": 0.7},
)  # fmt: skip
IMAGE_SOURCE = FULL_STEPS | {"name": "full", "epochs": 16, "augmentations": WIDELY_CHANGED}
#: From scratch and warm alike: only what training starts from differs.
IMAGE_TARGET = FULL_STEPS | {"name": "full", "epochs": 12}
#: A draw of labelled rows is a sample of the target here, so the classes have the same shares in the rest.
SPREADING: dict[str, Any] = {
    "name": "label_spreading", "neighbours": (10,), "alpha": 0.9, "class_shares": "as_labelled", "regularisation": USUAL_PENALTY,
    "unlabelled_rows": 10_000,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A target's rows, and what reads them before and after learning elsewhere."""

    train: Rows
    test: Rows
    classes: int
    cold: Callable[[int], Encoder]
    """from a seed"""
    warm: Callable[[], Encoder]
    prior: Head | None
    rows: Rows | None
    """of which each draw tests on others; None where it is given which rows are tested on"""

    def of_draw(self, draw: int) -> Task:
        """The same with the rows that this draw learns from and tests on."""
        if self.rows is None:
            return self
        order = np.random.default_rng(draw).permutation(len(self.rows.labels))
        return replace(self, train=take(self.rows, np.sort(order[TEST_ROWS:])), test=take(self.rows, np.sort(order[:TEST_ROWS])))


@dataclass(frozen=True)
class Rounds:
    """A model chooses which rows are labelled, in rounds of the same size."""

    rounds: int
    strategy: str
    between: dict[str, Any]
    """method by which the model of each round is fitted"""
    pool: int
    """so many rows by chance are looked at in a round"""
    go_on: bool
    """whether each model, the last one too, goes on from that of the round before; otherwise from what has learned the source"""


@dataclass(frozen=True)
class Case:
    """A target, and how it is learned."""

    name: str
    scratch: dict[str, Any]
    warm: tuple[dict[str, Any], ...]
    """methods, of which the engine's rule takes one"""
    source: dict[str, Any] | None
    scratch_draws: int
    draws: int
    shares: tuple[float, ...] = SHARES
    """of the rows, to learn warm from"""
    rounds: Rounds | None = None
    """None: rows by chance, the same share of each class"""
    network: str = SMALL
    """that reads images"""


CASES = {
    "texts": Case("bank questions", TEXT_SCRATCH, TEXT_RULE, None, 1, 3),
    "texts-full": Case("bank questions, every weight", TEXT_SCRATCH, (TEXT_FULL,), None, 1, 1, (0.1,)),
    "usps": Case("usps from mnist", IMAGE_TARGET, (IMAGE_TARGET,), IMAGE_SOURCE, 6, 6),
    "mnist": Case("mnist from usps", IMAGE_TARGET, (IMAGE_TARGET,), IMAGE_SOURCE, 6, 6),
}
CASES |= {
    f"{name}-joined": replace(CASES[name], name=JOINT.join([CASES[name].name, *OTHER_DIGITS]), shares=SHARES[:-1])
    for name in ("usps", "mnist")
}


def and_unlabelled(case: Case, after: dict[str, Any], **changes: Any) -> Case:
    """The same target, with label spreading to the rest of its rows after a method."""
    return replace(case, name=f"{case.name}, and rows without label", warm=(SPREADING | {"after": after},), **changes)


CASES |= {
    "texts-unlabelled": and_unlabelled(CASES["texts"], METHODS["lora, last layer"], shares=(0.05, 0.1, 0.2)),
    "texts-full-unlabelled": and_unlabelled(CASES["texts-full"], TEXT_FULL, draws=6),
    "usps-unlabelled": and_unlabelled(CASES["usps"], IMAGE_TARGET, shares=(0.1, 0.2)),
    "mnist-unlabelled": and_unlabelled(CASES["mnist"], IMAGE_TARGET, shares=(0.1, 0.2)),
}


def and_chosen(case: Case, rounds: Rounds, **changes: Any) -> Case:
    """The same target, with labels for the rows that a model chooses."""
    return replace(case, name=f"{case.name}, rows chosen", rounds=rounds, **changes)


DIGITS_IN_ROUNDS = Rounds(3, "margin", IMAGE_TARGET | {"epochs": 3}, 2000, go_on=True)
#: Rounds and epochs, and how far images are moved, were settled on training rows that were put aside: a quarter of them.
LAST_ROUND = (IMAGE_TARGET | {"epochs": 9},)
MOVED = {"name": "affine", "degrees": 15.0, "smallest": 0.8, "largest": 1.2, "shear": 0.2, "shift": 0.07}
CASES |= {
    "texts-chosen": and_chosen(
        CASES["texts"], Rounds(4, "margin", METHODS["linear_probe"], 10_000, go_on=False), shares=(0.05, 0.1)
    ),
    "usps-chosen": and_chosen(CASES["usps"], DIGITS_IN_ROUNDS, warm=LAST_ROUND, shares=(0.02, 0.05, 0.1)),
    "mnist-chosen": and_chosen(CASES["mnist"], DIGITS_IN_ROUNDS, warm=LAST_ROUND, shares=(0.05, 0.1)),
}


def and_moved(case: Case) -> Case:
    """The same target, of which images are moved at random in the last round."""
    warm = tuple(method | {"augmentations": (MOVED,)} for method in case.warm)
    return replace(case, name=f"{case.name}, moved images", warm=warm)


CASES |= {f"{name}-chosen-moved": and_moved(CASES[f"{name}-chosen"]) for name in ("usps", "mnist")}
CASES["mnist-both-moved"] = replace(
    CASES["mnist-chosen-moved"], name=f"{CASES['mnist-chosen-moved'].name} from scratch too",
    scratch=IMAGE_TARGET | {"augmentations": (MOVED,)}, shares=(0.1,),
)  # fmt: skip


def and_wide(case: Case, **changes: Any) -> Case:
    """The same of a network four times as wide, from scratch too."""
    target, *how = case.name.split(", ")
    return replace(case, name=", ".join([f"{target} ({WIDE})", *how]), network=WIDE, **changes)


def moved_in_every_round(case: Case) -> Case:
    """The same, images moved whenever a model learns the target; two epochs more in the last round, as they are never the same."""
    assert case.rounds is not None
    between = case.rounds.between | {"augmentations": (MOVED,)}
    return replace(
        case,
        warm=tuple(method | {"epochs": method["epochs"] + 2} for method in case.warm),
        rounds=replace(case.rounds, between=between),
    )


TWELVE = {"scratch_draws": 12, "draws": 12}
CASES |= {f"{name}-wide": and_wide(CASES[name], shares=(0.05, 0.1), **TWELVE) for name in ("usps", "mnist")}
CASES |= {f"{name}-chosen-wide": and_wide(CASES[f"{name}-chosen"], **TWELVE) for name in ("usps", "mnist")}
CASES |= {
    f"{name}-chosen-moved-wide": moved_in_every_round(and_wide(CASES[f"{name}-chosen-moved"], **TWELVE))
    for name in ("usps", "mnist")
}
CASES["mnist-both-moved-wide"] = moved_in_every_round(and_wide(CASES["mnist-both-moved"]))


def method_of(spec: dict[str, Any]) -> FineTuneMethod:
    """A method from its parameters."""
    return parse_part(FineTuneMethod, spec)  # type: ignore[type-abstract]


def text_task(data: Path, cache: Path) -> Task:
    """Bank questions."""
    frames = [
        pd.read_csv(data / "intents" / f"banking77_{split}.csv").set_axis(["text", "label"], axis=1) for split in ("train", "test")
    ]
    classes = sorted(frames[0]["label"].unique())
    modality = parse_part(Modality, {"name": "text", "max_tokens": 64})  # type: ignore[type-abstract]
    source = bare_encoder(TEXT_BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=cache)
    folder = locate(TEXT_BACKBONE)

    def cold(seed: int) -> Encoder:
        return Encoder(new_encoder(folder, seed), modality.load_processor(folder), modality, "mean", 64)

    train, test = (
        Rows(list(f["text"]), np.array([classes.index(label) for label in f["label"]]), np.zeros((len(f), 0))) for f in frames
    )
    return Task(train, test, len(classes), cold, source.load, None, None)


def image_task(case: Case, data: Path, cache: Path, runs: KeptRuns) -> Task:
    """Digits of one domain, and the network that has learned those of another."""
    family = read_family("digits", data, cache)
    backbone = build_backbone(cache / case.network, architecture=case.network)
    bare = bare_encoder(str(backbone), family.modality, pooling="mean", batch_rows=64, cache_folder=cache)
    target = case.name.split()[0]
    mine = _rows_of(family.domains[target])
    lent = [family.domains[name] for name in sources_of(source_of(case))]
    other = joined(lent, [_rows_of(domain) for domain in lent])
    weights, head = _learned(case, other, bare.load, cache, runs)

    def warm() -> Encoder:
        encoder = bare.load()
        encoder.model.load_state_dict(weights)
        return encoder

    def cold(seed: int) -> Encoder:
        return replace(bare.load(), model=new_encoder(backbone, seed))

    return Task(mine, mine, 10, cold, warm, head, mine).of_draw(0)


def _rows_of(domain: Any) -> Rows:
    return Rows(list(domain.inputs), domain.labels, np.zeros((len(domain.inputs), 0)))


def source_of(case: Case) -> str:
    """Of a case that has one, joined by + where they are several."""
    return case.name.split(",")[0].split(" from ")[1].removesuffix(f" ({case.network})")


def _learned(case: Case, rows: Rows, load: Callable[[], Encoder], cache: Path, runs: KeptRuns) -> tuple[dict[str, Any], Head]:
    """Weights and head after the source; kept in ``cache``."""
    import torch
    from safetensors.torch import load_file, save_file

    assert case.source is not None
    path = cache / f"{source_of(case)}-{recipe(*specs_of(case, 'source'))}.safetensors"
    if not path.is_file():
        started = time.process_time()
        fitted = method_of(case.source).fit(Start(load, 10, None), rows, heldout=None, setting=None, seed=0)
        measured = {"accuracy": "", "test_rows": "", "cpu_seconds": round(time.process_time() - started, 2), "curve": ""}
        assert fitted.encoder is not None
        assert isinstance(fitted.head, Head)
        tensors = {name: value.contiguous() for name, value in fitted.encoder.model.state_dict().items()}
        head = {"head.weight": torch.from_numpy(fitted.head.weight), "head.bias": torch.from_numpy(fitted.head.bias)}
        save_file(tensors | head, path)
        runs.get(lambda: measured, **key_of(case, "source", len(rows.labels), 0))
    tensors = load_file(path)
    return tensors, Head(*(tensors.pop(f"head.{part}").numpy() for part in ("weight", "bias")))


def specs_of(case: Case, start: str) -> tuple[object, ...]:
    """The settings that such a run depends on."""
    more = () if case.network == SMALL else (case.network,)
    rounds = (vars(case.rounds),) if case.rounds else ()
    found = {"scratch": (case.scratch,), "source": (case.source,), "transfer": (case.warm, case.source, *rounds)}[start]
    return found + more


def key_of(case: Case, start: str, rows: int, draw: int) -> dict[str, object]:
    """Cases of one target share what is learned from scratch, and those of the same sources share that."""
    first = case.name.split(",")[0].split(JOINT)[0]
    name = {"source": source_of(case) if case.source else "", "scratch": first, "transfer": case.name}[start]
    return {"case": name, "start": start, "rows": rows, "draw": draw, "recipe": recipe(*specs_of(case, start))}
