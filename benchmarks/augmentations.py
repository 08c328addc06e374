"""What does each augmentation bring where labels are few?

Images: scikit-learn's handwritten digits with 6 labelled rows a class, 898 others for the test; a small residual network from
random weights, and the same network after learning digits printed in many fonts. Texts: 77 classes of bank questions with 5
labelled rows each, 1,000 test rows, MiniLM with LoRA in its last three layers; only with ``--data``.

Each fit differs from its control in the augmentations alone: the same rows, order, weights to start from and epochs. Differences
are in points of accuracy, with the score interval of the paired answers to the test rows of each seed; a seed draws the rows, the
order and the random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from few_labels import BACKBONE, LOW_RANK, MAX_TOKENS, STEPS
from rootstock.architecture import writer
from rootstock.backbone import load_encoder, new_encoder
from rootstock.data.demo_digits import SOURCE, TARGET, build_digits
from rootstock.encoder import Encoder
from rootstock.head import Head, log_probabilities
from rootstock.paired import pair_of, score_interval
from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
from rootstock.rows import bare_encoder
from tqdm import tqdm

PARAMS = Path(__file__).parents[1] / "params-images.yaml"
SEEDS, CONFIDENCE = 3, 0.95
IMAGE_ROWS, IMAGE_TEST = 6, 898
TEXT_ROWS, TEXT_TEST = 5, 1000
NONE = "none"
ROTATION = {"name": "rotation", "degrees": 10.0}
SCALING = {"name": "scaling", "smallest": 0.75, "largest": 1.3}
CROP = {"name": "crop", "smallest": 0.7}
SHEAR = {"name": "shear", "share": 0.2}
ELASTIC = {"name": "elastic", "cells": 3, "deviation": 0.02}
AFFINE = {"name": "affine", "degrees": 10.0, "smallest": 0.75, "largest": 1.3, "shear": 0.2, "shift": 0.05}
COLOUR = {"name": "colour", "brightness": 0.2, "contrast": 0.2, "saturation": 0.2}
IMAGES: dict[str, tuple[dict[str, Any], ...]] = {
    NONE: (), "rotation": (ROTATION,), "scaling": (SCALING,), "crop": (CROP,), "shear": (SHEAR,), "affine": (AFFINE,),
    "elastic": (ELASTIC,), "colour": (COLOUR,), "rotation, scaling": (ROTATION, SCALING),
}  # fmt: skip
TEXTS: dict[str, tuple[dict[str, Any], ...]] = {
    NONE: (), **{f"word dropout {share:g}": ({"name": "word_dropout", "share": share},) for share in (0.1, 0.2)},
}  # fmt: skip
TEXT_METHOD = STEPS | LOW_RANK | {"name": "lora", "epochs": 6}


@dataclass(frozen=True)
class Task:
    """One seed of one regime."""

    name: str
    train: Rows
    test: Rows
    load: Callable[[], Encoder]
    """the encoder that fitting starts from"""
    classes: int
    prior: Head | None
    method: dict[str, Any]
    augmentations: dict[str, tuple[dict[str, Any], ...]]


def answers(task: Task, augmentations: tuple[dict[str, Any], ...], *, seed: int) -> tuple[np.ndarray, float]:
    """(n,) whether each test row is right after fitting, and its CPU seconds."""
    method = parse_part(FineTuneMethod, task.method | {"augmentations": augmentations})  # type: ignore[type-abstract]
    started = time.process_time()
    fitted = method.fit(Start(task.load, task.classes, task.prior), task.train, heldout=None, setting=None, seed=seed)
    seconds = time.process_time() - started
    said = log_probabilities((fitted.encoder or task.load()).embed(task.test.inputs), fitted.head)
    return said.argmax(axis=1) == task.test.labels, seconds


def drawn(frame: pd.DataFrame, rows_a_class: int, test_rows: int, *, seed: int, test: pd.DataFrame | None = None) -> list[Rows]:
    """Rows to learn from and rows to be tested on, without features: (input, label) columns."""
    classes = sorted(frame["label"].unique())
    few = frame.groupby("label").sample(rows_a_class, random_state=seed)
    others = frame.drop(few.index) if test is None else test
    parts = (few, others.sample(min(test_rows, len(others)), random_state=seed))
    return [
        Rows(list(each["input"]), np.array([classes.index(label) for label in each["label"]]), np.zeros((len(each), 0)))
        for each in parts
    ]


def image_tasks(folder: Path, seed: int) -> list[Task]:
    """Digits from random weights, and after printed digits."""
    params = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    modality = parse_part(Modality, params["data"]["modality"])  # type: ignore[type-abstract]
    target = next(method for method in params["finetuning"]["methods"] if method["name"] == "full")
    place = folder / f"resnet-{seed}"
    place.mkdir()
    writer("small-resnet", modality="image")[1](place, seed, None)
    start = Encoder(load_encoder(place), modality.load_processor(place), modality, "mean", 64)

    def cold() -> Encoder:
        return replace(start, model=new_encoder(place, seed))

    frames = build_digits(seed=seed)
    printed = drawn(frames[SOURCE], 100, 0, seed=seed)[0]
    source = parse_part(FineTuneMethod, params["finetuning"]["source"])  # type: ignore[type-abstract]
    learned = source.fit(Start(cold, 10, None), printed, heldout=None, setting=None, seed=seed)
    assert learned.encoder is not None
    assert isinstance(learned.head, Head)
    weights = {name: value.clone() for name, value in learned.encoder.model.state_dict().items()}

    def warm() -> Encoder:
        encoder = cold()
        encoder.model.load_state_dict(weights)
        return encoder

    train, test = drawn(frames[TARGET], IMAGE_ROWS, IMAGE_TEST, seed=seed)
    return [
        Task("digits, from random weights", train, test, cold, 10, None, target, IMAGES),
        Task("digits, after printed ones", train, test, warm, 10, learned.head, target, IMAGES),
    ]


def text_task(data: Path, seed: int) -> Task:
    """Bank questions."""
    frames = [
        pd.read_csv(data / "intents" / f"banking77_{split}.csv").set_axis(["input", "label"], axis=1) for split in ("train", "test")
    ]
    modality = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]
    source = bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=Path("unused"))
    train, test = drawn(frames[0], TEXT_ROWS, TEXT_TEST, seed=seed, test=frames[1])
    return Task("bank questions", train, test, source.load, 77, None, TEXT_METHOD, TEXTS)


def measure(task: Task, *, seed: int, found: dict[str, dict[str, list[Any]]]) -> None:
    """Add one seed's figures of every augmentation; the first is the control, without any."""
    control = None
    for name, augmentations in task.augmentations.items():
        right, seconds = answers(task, augmentations, seed=seed)
        control = right if control is None else control
        pair = pair_of(right, control)
        low, high = score_interval(pair, confidence=CONFIDENCE)
        kept = found.setdefault(task.name, {}).setdefault(name, [])
        kept.append({
            "seed": seed, "accuracy": float(right.mean()), "points": 100 * pair.difference, "low": 100 * low, "high": 100 * high,
            "cpu_seconds": seconds,
        })  # fmt: skip
        tqdm.write(f"{task.name}, {name}, seed {seed}: {right.mean():.3f}", file=sys.stderr)


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for task, ways in document["figures"].items():
        lines.append(f"{task:<30}{'accuracy':<10}{'points (sd)':<14}{'CPU s':<8}points at each seed [95%]")
        for way, runs in ways.items():
            points = [run["points"] for run in runs]
            spread = f"{np.mean(points):+.1f} ({np.std(points, ddof=1):.1f})" if len(runs) > 1 else f"{points[0]:+.1f}"
            each = ", ".join(f"{run['points']:+.1f} [{run['low']:+.1f}, {run['high']:+.1f}]" for run in runs)
            accuracy, seconds = np.mean([run["accuracy"] for run in runs]), np.mean([run["cpu_seconds"] for run in runs])
            said = ("", "") if way == NONE else (spread, each)
            lines.append(f"  {way:<28}{accuracy:<10.3f}{said[0]:<14}{seconds:<8.1f}{said[1]}".rstrip())
    return "\n".join([*lines, f"{document['seconds']:.0f} s on {document['machine']}"])


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with intents/banking77_{train,test}.csv, for the texts")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    started, found = time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1 if arguments.quick else arguments.seeds):
            tasks = image_tasks(Path(folder), seed)
            for task in [*tasks, *([text_task(arguments.data, seed)] if arguments.data else [])]:
                measure(task, seed=seed, found=found)
    document = {
        "figures": found, "targets": {}, "met": {}, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))


if __name__ == "__main__":
    main()
