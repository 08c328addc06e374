"""What do rows without label add to a linear probe, and does cross-validation know where?

Bank questions (77 classes, MiniLM as published) with 5 and 10 labelled rows a class and ever more of the others without label;
reviews of four domains (two classes) with 16 and 64 a class and 2,000 without, on MiniLM as published and after learning the
opinions of another domain. The test rows are nowhere among them. The probe's penalty and the number of neighbours are chosen in the
same four folds of the labelled rows, and one of the two methods by the lowest log loss there, as fine-tuning does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from few_labels import BACKBONE, MAX_TOKENS, METHODS
from kept_runs import mean_of
from numpy.typing import NDArray
from rootstock.finetuning.crossvalidate import Option, OptionScore, score_options, take
from rootstock.head import log_probabilities
from rootstock.part import FineTuneMethod, Modality, Rows, Start, UnlabelledRows, parse_part
from rootstock.rows import bare_encoder
from rootstock_flows.environment import opt_out
from tqdm import tqdm

DRAWS, FOLDS = 3, 4
BANK_ROWS, BANK_POOLS = (5, 10), (1000, 5000, 10_000)
REVIEW_ROWS, REVIEW_POOL, REVIEW_TOKENS = (16, 64), 2000, 96
SOURCE, TARGETS = "kitchen_housewares", ("apparel", "books", "imdb", "music")
PENALTIES = (1.0, 10.0, 100.0)
SPREADING: dict[str, Any] = {
    "name": "label_spreading", "neighbours": (5, 10, 15), "alpha": 0.9, "class_shares": "free", "regularisation": 10.0,
    "after": None,
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A data set as an encoder sees it."""

    name: str
    train: Rows
    test: Rows
    pool: NDArray[np.float64] | None
    """(n, d) features of rows that have no label; None: the training rows that are left over"""
    rows_a_class: tuple[int, ...]
    pools: tuple[int, ...]


def rows_of(encoder: Any, frame: pd.DataFrame) -> Rows:
    """Rows with features; classes in the order of their names."""
    classes = sorted(frame["label"].unique())
    labels = np.array([classes.index(label) for label in frame["label"]])
    return Rows(list(frame["text"]), labels, encoder.embed(list(frame["text"])))


def tasks(data: Path, *, quick: bool) -> Iterator[Task]:
    """Each with its features, one at a time."""
    cut = 400 if quick else None
    encoder = source_of(MAX_TOKENS).load()
    bank = [
        pd.read_csv(data / "intents" / f"banking77_{split}.csv").set_axis(["text", "label"], axis=1) for split in ("train", "test")
    ]
    if quick:
        bank = [frame[frame["label"].isin(sorted(bank[0]["label"].unique())[:6])] for frame in bank]
    train, test = (rows_of(encoder, frame) for frame in bank)
    yield Task("bank questions", train, test, None, BANK_ROWS, BANK_POOLS[:1] if quick else BANK_POOLS)
    for after in (None, SOURCE):
        encoder = source_of(REVIEW_TOKENS).load() if after is None else tuned(data, cut)
        for name in TARGETS[:1] if quick else TARGETS:
            frame = pd.read_parquet(data / "reviews" / f"{name}.parquet")
            parts = {split: frame[frame["split"] == split][:cut] for split in ("train", "test", "unlabelled")}
            pool = encoder.embed(list(parts["unlabelled"]["text"])[:REVIEW_POOL])
            what = f"reviews, {name}" + (", after kitchen" if after else "")
            yield Task(what, rows_of(encoder, parts["train"]), rows_of(encoder, parts["test"]), pool, REVIEW_ROWS, (REVIEW_POOL,))


def source_of(max_tokens: int) -> Any:
    """MiniLM as it was published."""
    modality = parse_part(Modality, {"name": "text", "max_tokens": max_tokens})  # type: ignore[type-abstract]
    return bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=Path("unused"))


def tuned(data: Path, cut: int | None) -> Any:
    """MiniLM after learning the source's opinions with LoRA."""
    frame = pd.read_parquet(data / "reviews" / f"{SOURCE}.parquet")
    frame = frame[frame["split"] == "train"][:cut]
    rows = Rows(list(frame["text"]), (frame["label"] == "positive").to_numpy().astype(np.int64), np.zeros((len(frame), 0)))
    method = parse_part(FineTuneMethod, METHODS["lora"] | {"epochs": 2})  # type: ignore[type-abstract]
    fitted = method.fit(Start(source_of(REVIEW_TOKENS).load, 2, None), rows, heldout=None, setting=None, seed=0)
    return fitted.encoder


def measure(task: Task, *, rows_a_class: int, pool: int, draw: int) -> dict[str, float]:
    """Accuracies of the two methods and of the one that cross-validation takes, and CPU seconds with cross-validation."""
    random = np.random.default_rng(draw)
    shuffled = random.permutation(len(task.train.labels))
    few = np.sort(np.concatenate([shuffled[task.train.labels[shuffled] == label][:rows_a_class] for label in classes_of(task)]))
    others = task.train.features[np.setdiff1d(shuffled, few)] if task.pool is None else task.pool
    others = others[random.permutation(len(others))]
    rows = take(task.train, few)
    more = UnlabelledRows(lambda most: [""] * min(most, len(others)), lambda most: others[:most])
    start = Start(no_encoder, len(classes_of(task)), None, unlabelled=more)
    specs = {"probe": {"name": "linear_probe", "regularisations": PENALTIES}, "spreading": SPREADING | {"unlabelled_rows": pool}}
    found: dict[str, float] = {}
    scores: dict[str, OptionScore] = {}
    for name, spec in specs.items():
        begun = time.process_time()
        method = parse_part(FineTuneMethod, spec)  # type: ignore[type-abstract]
        option = Option(method, None, start, rows)
        everything = np.ones(len(rows.labels), dtype=bool)
        scores[name] = score_options([option], folds=FOLDS, seed=draw, eligible=everything)[0]
        fitted = method.fit(start, rows, heldout=None, setting=scores[name].setting, seed=draw)
        found[f"{name}_cpu_seconds"] = time.process_time() - begun
        said = log_probabilities(task.test.features, fitted.head).argmax(axis=1)
        found[name] = float((said == task.test.labels).mean())
    chosen = min(scores, key=lambda name: scores[name].log_loss)
    return found | {"chosen": found[chosen], "spreading_chosen": float(chosen == "spreading"), "unlabelled": min(pool, len(others))}


def classes_of(task: Task) -> range:
    """Indices of its classes."""
    return range(int(task.train.labels.max()) + 1)


def no_encoder() -> Any:
    """Both methods read features only."""
    raise AssertionError("the backbone is not read")


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="few classes, rows and one draw")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(1)
    begun, figures = time.perf_counter(), []
    bar = tqdm(tasks(arguments.data, quick=arguments.quick), desc="tasks", disable=None, leave=False, file=sys.stderr)
    for task in bar:
        for rows_a_class in task.rows_a_class:
            for pool in task.pools:
                bar.set_postfix_str(f"{task.name}, {rows_a_class} a class, {pool} without label")
                draws = range(1 if arguments.quick else DRAWS)
                runs = [measure(task, rows_a_class=rows_a_class, pool=pool, draw=draw) for draw in draws]
                figures.append(summary(task.name, rows_a_class, runs))
    document = {
        "figures": figures, "targets": {}, "met": {}, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))


def summary(name: str, rows_a_class: int, runs: list[dict[str, float]]) -> dict[str, Any]:
    """Means over draws, and the difference of the two methods with its 90% interval."""
    means = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
    gain = mean_of([100 * (run["spreading"] - run["probe"]) for run in runs])
    return {"task": name, "rows_a_class": rows_a_class, "draws": len(runs), "gain_points": gain, **means}


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    head = f"{'':<40}{'a class':<9}{'no label':<10}{'probe':<7}{'spread':<8}{'gain, points [90%]':<22}"
    lines = [head + f"{'taken':<8}{'accuracy then':<15}CPU seconds"]
    for each in document["figures"]:
        gain = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*each["gain_points"])
        taken = f"{round(each['spreading_chosen'] * each['draws'])} of {each['draws']}"
        seconds = f"{each['probe_cpu_seconds']:.1f}, {each['spreading_cpu_seconds']:.1f}"
        lines.append(
            f"{each['task']:<40}{each['rows_a_class']:<9}{each['unlabelled']:<10.0f}{each['probe']:<7.3f}{each['spreading']:<8.3f}"
            f"{gain:<22}{taken:<8}{each['chosen']:<15.3f}{seconds}"
        )
    return "\n".join([*lines, f"{document['seconds']:.0f} seconds on {document['machine']}"])


if __name__ == "__main__":
    main()
