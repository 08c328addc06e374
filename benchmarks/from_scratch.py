"""What is pretraining, or an earlier domain, worth in labels and in time?

The same architecture is trained from random weights with all labelled rows; then, starting from what was learned elsewhere, with
more and more rows, until it is as good. Texts: bank questions, MiniLM with its published weights. Images: USPS from a small
residual network that has learned MNIST, and MNIST from one that has learned USPS. Seconds are CPU seconds of fitting on the target;
those of learning the source are shown apart, as it is learned once. What was measured is kept and not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rootstock.backbone import Encoder, locate, new_encoder
from rootstock.files import write_text
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.trial import stratified_order
from rootstock.head import Head, log_probabilities
from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
from rootstock.rows import bare_encoder
from rootstock_flows.environment import opt_out
from statsmodels.stats.proportion import proportion_confint
from transfer_families import FULL_STEPS, TEXT_BACKBONE, read_family

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
TARGETS = {"rows": 0.10, "seconds": 0.20}
TEST_ROWS = 2000
STEPS: dict[str, Any] = {
    "weight_decay": 0.01, "batch_rows": 16, "warmup_share": 0.1, "label_smoothing": 0.0, "class_weights": "equal", "patience": None,
    "augmentations": (), "layer_decay": 1.0,
}  # fmt: skip
#: From random weights, as many epochs as the rate's decay makes worth while; a lower or higher rate was no better.
TEXT_SCRATCH = STEPS | {
    "name": "full", "learning_rate": 3e-4, "head_learning_rate": 1e-2, "epochs": 10, "probe_regularisation": None,
}  # fmt: skip
TEXT_WARM = {"name": "linear_probe", "regularisations": (10.0,)}
IMAGE_SCRATCH = FULL_STEPS | {"name": "full", "epochs": 12}
IMAGE_WARM = FULL_STEPS | {"name": "full", "epochs": 12, "learning_rate": 1e-3}


@dataclass(frozen=True)
class Case:
    """A target with all that is tried on it."""

    name: str
    train: Rows
    test: Rows
    classes: int
    cold: Callable[[], Encoder]
    warm: Callable[[], Encoder]
    prior: Head | None
    features: Callable[[Rows], Rows]
    """rows with the features of the warm encoder"""
    scratch_method: FineTuneMethod
    warm_method: FineTuneMethod
    source_seconds: float


def method_of(spec: dict[str, Any]) -> FineTuneMethod:
    """A method from its parameters."""
    return parse_part(FineTuneMethod, spec)  # type: ignore[type-abstract]


def text_case(data: Path, cache: Path) -> Case:
    """Bank questions from MiniLM."""
    frames = [
        pd.read_csv(data / "intents" / f"banking77_{split}.csv").set_axis(["text", "label"], axis=1) for split in ("train", "test")
    ]
    classes = sorted(frames[0]["label"].unique())
    modality = parse_part(Modality, {"name": "text", "max_tokens": 64})  # type: ignore[type-abstract]
    source = bare_encoder(TEXT_BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=cache)
    folder = locate(TEXT_BACKBONE)

    def cold() -> Encoder:
        return Encoder(new_encoder(folder, 0), modality.load_processor(folder), modality, "mean", 64)

    train, test = (
        Rows(list(f["text"]), np.array([classes.index(label) for label in f["label"]]), np.zeros((len(f), 384))) for f in frames
    )
    return Case(
        "bank questions", train, test, len(classes), cold, source.load, None, _embedding_with(source.load),
        method_of(TEXT_SCRATCH), method_of(TEXT_WARM), 0.0,
    )  # fmt: skip


def image_case(target: str, source: str, data: Path, cache: Path) -> Case:
    """Digits of one domain from those of another."""
    family = read_family("digits", data, cache)
    bare = bare_encoder(family.backbone, family.modality, pooling="mean", batch_rows=64, cache_folder=cache)
    mine, other = family.domains[target], family.domains[source]
    width = bare.load().embed(list(mine.inputs[:1])).shape[1]
    order = np.random.default_rng(0).permutation(len(mine.inputs))
    whole = Rows(list(mine.inputs), mine.labels, np.zeros((len(mine.inputs), width)))
    lent = Rows(list(other.inputs), other.labels, np.zeros((len(other.inputs), width)))
    started = time.process_time()
    learned = method_of(IMAGE_SCRATCH).fit(Start(bare.load, 10, None), lent, heldout=None, setting=None, seed=0)
    seconds = time.process_time() - started
    assert learned.encoder is not None
    weights = {name: value.clone() for name, value in learned.encoder.model.state_dict().items()}

    def warm() -> Encoder:
        encoder = bare.load()
        encoder.model.load_state_dict(weights)
        return encoder

    return Case(
        f"{target} from {source}", take(whole, np.sort(order[TEST_ROWS:])), take(whole, np.sort(order[:TEST_ROWS])), 10, bare.load,
        warm, learned.head, lambda rows: rows, method_of(IMAGE_SCRATCH), method_of(IMAGE_WARM), seconds,
    )  # fmt: skip


def _embedding_with(load: Callable[[], Encoder]) -> Callable[[Rows], Rows]:
    return lambda rows: replace(rows, features=load().embed(rows.inputs, "embedding"))


def _fit(case: Case, rows: Rows, *, warm: bool, cache: Path) -> dict[str, Any]:
    """Accuracy with an interval, and CPU seconds; kept once measured."""
    path = cache / f"{case.name}, {'warm' if warm else 'cold'}, {len(rows.labels)}.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    method = case.warm_method if warm else case.scratch_method
    load, prior = (case.warm, case.prior) if warm else (case.cold, None)
    started = time.process_time()
    rows = case.features(rows) if warm else rows
    setting = 10.0 if method.name == "linear_probe" else None
    fitted = method.fit(Start(load, case.classes, prior), rows, heldout=None, setting=setting, seed=0)
    seconds = time.process_time() - started
    encoder = fitted.encoder or load()
    right = log_probabilities(encoder.embed(case.test.inputs), fitted.head).argmax(axis=1) == case.test.labels
    low, high = proportion_confint(int(right.sum()), len(right), method="wilson")
    found = {
        "rows": len(rows.labels), "accuracy": (float(right.mean()), float(low), float(high)), "cpu_seconds": seconds,
        "epochs": len(fitted.losses),
    }  # fmt: skip
    write_text(path, json.dumps(found))
    print(f"{path.stem}: {found}", file=sys.stderr, flush=True)
    return found


def compare(case: Case, cache: Path) -> dict[str, Any]:
    """From scratch with all rows, and warm with ever more, until it is as good."""
    scratch = _fit(case, case.train, warm=False, cache=cache)
    warm: list[dict[str, Any]] = []
    order = stratified_order(case.train.labels, seed=1)
    for share in SHARES:
        count = round(share * len(case.train.labels))
        if count < 2 * case.classes:
            continue
        warm.append(_fit(case, take(case.train, np.sort(order[:count])), warm=True, cache=cache))
        if warm[-1]["accuracy"][0] >= scratch["accuracy"][0]:
            break
    reached = warm[-1] if warm[-1]["accuracy"][0] >= scratch["accuracy"][0] else None
    return {
        "scratch": scratch, "warm": warm, "source_cpu_seconds": case.source_seconds,
        "share_of_rows": reached["rows"] / scratch["rows"] if reached else None,
        "share_of_seconds": reached["cpu_seconds"] / scratch["cpu_seconds"] if reached else None,
    }  # fmt: skip


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder for what was measured")
    parser.add_argument("--cases", nargs="+", choices=["texts", "usps", "mnist"], default=["texts", "usps", "mnist"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(arguments.threads)
    started = time.perf_counter()
    figures = {}
    for name in arguments.cases:
        cache = arguments.cache / name
        cache.mkdir(parents=True, exist_ok=True)
        other = {"usps": "mnist", "mnist": "usps"}
        case = text_case(arguments.data, cache) if name == "texts" else image_case(name, other[name], arguments.data, cache)
        figures[case.name] = compare(case, cache)
    met = {
        f"{name}, {key}": found[f"share_of_{key}"] is not None and found[f"share_of_{key}"] <= wanted
        for name, found in figures.items()
        for key, wanted in TARGETS.items()
    }
    document = {
        "figures": figures, "targets": TARGETS, "met": met, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if all(met.values()) else 1)


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for name, found in document["figures"].items():
        lines.append(f"{name:<30}{'rows':<8}{'accuracy':<24}CPU seconds")
        for what, each in [
            ("from scratch, all rows", found["scratch"]),
            *(("from what was learned", warm) for warm in found["warm"]),
        ]:
            accuracy = "{:.3f} [{:.3f}, {:.3f}]".format(*each["accuracy"])
            lines.append(f"  {what:<28}{each['rows']:<8}{accuracy:<24}{each['cpu_seconds']:.1f}")
        if found["share_of_rows"] is not None:
            lines.append(
                f"  as good with {found['share_of_rows']:.1%} of the rows and {found['share_of_seconds']:.1%} of the seconds"
            )
        if found["source_cpu_seconds"]:
            lines.append(f"  learning the source took {found['source_cpu_seconds']:.0f} CPU seconds, once")
    lines.append(", ".join(f"{name} {'met' if reached else 'not met'}" for name, reached in document["met"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
