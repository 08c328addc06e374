"""What is pretraining, or an earlier domain, worth in labels and in time?

The same architecture is trained from random weights with all labelled rows; then, starting from what was learned elsewhere, with
more and more rows, until it is as good. Texts: bank questions, MiniLM with its published weights. Images: USPS from a small
residual network that has learned MNIST, and MNIST from one that has learned USPS; and both from one that has learned scikit-
learn's and printed digits too. In the cases "and rows without label" what is left of the target's training rows is read too, their
labels are not.

Seconds are CPU seconds of fitting on the target; those of learning the source are shown apart, as it is learned once. From
scratch, the epochs count up to the first that answers the test rows as well as the last one does: no second is charged that
brought nothing. Draws differ in their rows, in the order of steps, and from scratch in the random weights.

What was measured is kept in ``from_scratch_runs.csv`` and not measured again; without ``--data`` the table is printed from there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from few_labels import METHODS
from kept_runs import KeptRuns, Run, mean_of, recipe
from rootstock.backbone import Encoder, locate, new_encoder
from rootstock.finetuning.choose_method import Circumstances, choose_method
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.trial import stratified_order
from rootstock.head import Head, log_probabilities
from rootstock.part import FineTuneMethod, Keep, Modality, Rows, Start, UnlabelledRows, parse_part
from rootstock.records import JOINT, sources_of
from rootstock.rows import bare_encoder
from rootstock_flows.environment import opt_out
from statsmodels.stats.proportion import proportion_confint
from transfer_families import FULL_STEPS, TEXT_BACKBONE, read_family
from transfer_outcomes import joined

RUNS = Path(__file__).with_name("from_scratch_runs.csv")
KEY, MEASURED = ("case", "start", "rows", "draw", "recipe"), ("accuracy", "test_rows", "cpu_seconds", "curve")
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
OTHER_DIGITS = ("handwritten-digits", "printed-digits")
TARGETS = {"rows": 0.10, "seconds": 0.20}
TEST_ROWS = 2000
QUICK_ROWS = 1000
CHECKPOINT_SECONDS = 300.0
USUAL_PENALTY = 10.0
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


CASES = {
    "texts": Case("bank questions", TEXT_SCRATCH, TEXT_RULE, None, 1, 3),
    "texts-full": Case("bank questions, every weight", TEXT_SCRATCH, (TEXT_FULL,), None, 1, 1, (0.1,)),
    "usps": Case("usps from mnist", IMAGE_TARGET, (IMAGE_TARGET,), IMAGE_SOURCE, 2, 3),
    "mnist": Case("mnist from usps", IMAGE_TARGET, (IMAGE_TARGET,), IMAGE_SOURCE, 2, 3),
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
    return Task(train, test, len(classes), cold, source.load, None)


def image_task(case: Case, data: Path, cache: Path, runs: KeptRuns) -> Task:
    """Digits of one domain, and the network that has learned those of another."""
    family = read_family("digits", data, cache)
    bare = bare_encoder(family.backbone, family.modality, pooling="mean", batch_rows=64, cache_folder=cache)
    target = case.name.split()[0]
    mine = _rows_of(family.domains[target])
    lent = [family.domains[name] for name in sources_of(_source_of(case))]
    other = joined(lent, [_rows_of(domain) for domain in lent])
    order = np.random.default_rng(0).permutation(len(mine.labels))
    weights, head = _learned(case, other, bare.load, cache, runs)

    def warm() -> Encoder:
        encoder = bare.load()
        encoder.model.load_state_dict(weights)
        return encoder

    def cold(seed: int) -> Encoder:
        return replace(bare.load(), model=new_encoder(Path(family.backbone), seed))

    train, test = take(mine, np.sort(order[TEST_ROWS:])), take(mine, np.sort(order[:TEST_ROWS]))
    return Task(train, test, 10, cold, warm, head)


def _rows_of(domain: Any) -> Rows:
    return Rows(list(domain.inputs), domain.labels, np.zeros((len(domain.inputs), 0)))


def _source_of(case: Case) -> str:
    return case.name.split(",")[0].split(" from ")[1]


def _learned(case: Case, rows: Rows, load: Callable[[], Encoder], cache: Path, runs: KeptRuns) -> tuple[dict[str, Any], Head]:
    """Weights and head after the source; kept in ``cache``."""
    import torch
    from safetensors.torch import load_file, save_file

    assert case.source is not None
    path = cache / f"{_source_of(case)}-{recipe(case.source)}.safetensors"
    if not path.is_file():
        started = time.process_time()
        fitted = method_of(case.source).fit(Start(load, 10, None), rows, heldout=None, setting=None, seed=0)
        measured = {"accuracy": "", "test_rows": "", "cpu_seconds": round(time.process_time() - started, 2), "curve": ""}
        assert fitted.encoder is not None
        assert isinstance(fitted.head, Head)
        tensors = {name: value.contiguous() for name, value in fitted.encoder.model.state_dict().items()}
        head = {"head.weight": torch.from_numpy(fitted.head.weight), "head.bias": torch.from_numpy(fitted.head.bias)}
        save_file(tensors | head, path)
        runs.get(lambda: measured, **_key(case, "source", len(rows.labels), 0))
    tensors = load_file(path)
    return tensors, Head(*(tensors.pop(f"head.{part}").numpy() for part in ("weight", "bias")))


def _specs(case: Case, start: str) -> tuple[object, ...]:
    """The settings that such a run depends on."""
    return {"scratch": (case.scratch,), "source": (case.source,), "transfer": (case.warm, case.source)}[start]


def _key(case: Case, start: str, rows: int, draw: int) -> dict[str, object]:
    """Cases of one target share what is learned from scratch, and those of the same sources share that."""
    first = case.name.split(",")[0].split(JOINT)[0]
    name = {"source": _source_of(case) if case.source else "", "scratch": first, "transfer": case.name}[start]
    return {"case": name, "start": start, "rows": rows, "draw": draw, "recipe": recipe(*_specs(case, start))}


def _fit(
    task: Task, case: Case, rows: Rows, draw: int, *, others: Sequence[Any], start: str, unfinished: Path
) -> dict[str, object]:
    """Accuracy on the test rows and CPU seconds of fitting; from scratch also the accuracy after each epoch.

    ``others`` are the target's training rows whose labels are not known.

    What is stopped from scratch goes on where it was, and so do its seconds.
    """
    scratch = start == "scratch"
    method = method_of(case.scratch) if scratch else _by_rule(task, case, rows)
    begin = Start((lambda: task.cold(draw)) if scratch else task.warm, task.classes, None if scratch else task.prior)
    if method.name == "label_spreading":
        begin = replace(begin, unlabelled=UnlabelledRows(lambda most: others[:most], lambda most: task.warm().embed(others[:most])))
    if scratch:
        begin = replace(begin, keep=Keep(unfinished, CHECKPOINT_SECONDS))
    with _clock(unfinished / "seconds.txt" if scratch else None) as clock:
        if method.name in ("linear_probe", "label_spreading"):
            rows = replace(rows, features=task.warm().embed(rows.inputs))
        setting = USUAL_PENALTY if method.name == "linear_probe" else None
        fitted = method.fit(begin, rows, heldout=task.test if scratch else None, setting=setting, seed=draw)
    started = time.process_time()
    encoder = fitted.encoder or task.warm()
    right = log_probabilities(encoder.embed(task.test.inputs), fitted.head).argmax(axis=1) == task.test.labels
    testing = time.process_time() - started
    curve = [float((said.argmax(axis=1) == task.test.labels).mean()) for said in fitted.heldout.values()]
    found = {
        "accuracy": round(float(right.mean()), 5), "test_rows": len(right),
        "cpu_seconds": round(clock[0] - len(curve) * testing, 2), "curve": " ".join(f"{each:.4f}" for each in curve),
    }  # fmt: skip
    shutil.rmtree(unfinished, ignore_errors=True)
    print(f"{case.name}, {start}, {len(rows.labels)} rows, draw {draw}: {found}", file=sys.stderr, flush=True)
    return found


@contextmanager
def _clock(path: Path | None) -> Iterator[list[float]]:
    """CPU seconds of what is done in it, and of what was done before it was stopped."""
    before = float(path.read_text("utf-8")) if path is not None and path.is_file() else 0.0
    started, clock = time.process_time(), [0.0]
    try:
        yield clock
    finally:
        clock[0] = before + time.process_time() - started
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{clock[0]:.2f}", "utf-8")


def _by_rule(task: Task, case: Case, rows: Rows) -> FineTuneMethod:
    methods = [method_of(spec) for spec in case.warm]
    if len(methods) == 1:
        return methods[0]
    return choose_method(methods, Circumstances(len(rows.labels), task.classes, None, 6, None, None)).method


def measure(case: Case, task: Task, runs: KeptRuns, cache: Path) -> None:
    """From scratch with all rows, and warm with ever more, until the mean over draws is as good."""
    total = len(task.train.labels)

    def accuracies(start: str, rows: int, draws: int) -> list[float]:
        found = []
        for draw in range(draws):
            order = stratified_order(task.train.labels, seed=draw + 1)
            few, others = take(task.train, np.sort(order[:rows])), [task.train.inputs[row] for row in order[rows:]]
            key = _key(case, start, rows, draw)
            unfinished = cache / f"unfinished-{recipe(key)}"
            fit = partial(_fit, task, case, few, draw, others=others, start=start, unfinished=unfinished)
            run = runs.get(fit, **key)
            found.append(float(run["accuracy"]) if run else 0.0)
        return found

    wanted = np.mean(accuracies("scratch", total, case.scratch_draws))
    for share in case.shares:
        rows = round(share * total)
        if rows >= 2 * task.classes and np.mean(accuracies("transfer", rows, case.draws)) >= wanted:
            return


def figures_of(case: Case, runs: KeptRuns) -> dict[str, Any] | None:
    """What the kept runs say; None where there are none."""
    scratch, warm, source = (_kept(case, start, runs) for start in ("scratch", "transfer", "source"))
    if not scratch or not warm:
        return None
    (rows, full), *_ = scratch.items()
    wanted = full["accuracy"][0]
    reached = next((each for each in warm if warm[each]["accuracy"][0] >= wanted), None)
    draws = range(min(len(each["draws"]) for each in warm.values()))
    return {
        "rows": rows, "scratch": full, "warm": warm,
        "share_of_rows": reached / rows if reached else None,
        "share_of_seconds": warm[reached]["cpu_seconds"] / full["cpu_seconds"] if reached else None,
        "share_of_rows_by_draw": [
            next((each / rows for each in warm if warm[each]["draws"][draw] >= wanted), None) for draw in draws
        ],
        "source_cpu_seconds": next(iter(source.values()))["cpu_seconds"] if source else None,
    }  # fmt: skip


def _kept(case: Case, start: str, runs: KeptRuns) -> dict[int, dict[str, Any]]:
    """Rows -> means over draws, by these settings."""
    wanted = _key(case, start, 0, 0)
    found: dict[int, list[Run]] = {}
    for run in sorted(runs.rows, key=lambda run: (int(run["rows"]), int(run["draw"]))):
        if all(run[name] == wanted[name] for name in ("case", "start", "recipe")):
            found.setdefault(int(run["rows"]), []).append(run)
    return {rows: _means(each) for rows, each in found.items()}


def _means(found: list[Run]) -> dict[str, Any]:
    draws = [float(run["accuracy"] or "nan") for run in found]
    accuracy = mean_of(draws)
    if len(found) == 1 and found[0]["test_rows"]:
        tested = int(found[0]["test_rows"])
        accuracy = draws[0], *proportion_confint(round(draws[0] * tested), tested, alpha=0.1, method="wilson")
    seconds = [float(run["cpu_seconds"]) * _worth_while(run["curve"]) for run in found]
    return {"accuracy": accuracy, "draws": draws, "cpu_seconds": float(np.mean(seconds)), "curve": [run["curve"] for run in found]}


def _worth_while(curve: str) -> float:
    """Share of the epochs up to the first that is as good as the last."""
    accuracies = [float(each) for each in curve.split()]
    if not accuracies:
        return 1.0
    return (next(epoch for epoch, each in enumerate(accuracies) if each >= accuracies[-1]) + 1) / len(accuracies)


def _quick(case: Case) -> Case:
    """The same with one epoch and one draw."""
    source = case.source | {"epochs": 1} if case.source else None
    return replace(case, scratch=case.scratch | {"epochs": 1}, source=source, scratch_draws=1, draws=1)


def _shortened(rows: Rows) -> Rows:
    return take(rows, np.sort(stratified_order(rows.labels, seed=0)[:QUICK_ROWS]))


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="measure what is not kept yet")
    parser.add_argument("--cache", type=Path, help="folder for weights that have learned a source; needed with --data")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="few rows and epochs, kept nowhere; needs --data")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    if arguments.data and not arguments.cache:
        parser.error("--data needs --cache")
    if arguments.quick and not arguments.data:
        parser.error("--quick needs --data and --cache")
    opt_out()
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the seconds until then are kept
    started = time.perf_counter()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / RUNS.name if arguments.quick else RUNS
        runs = KeptRuns(kept, key=KEY, measured=MEASURED)
        for name in arguments.cases:
            case = _quick(CASES[name]) if arguments.quick else CASES[name]
            if arguments.data:
                arguments.cache.mkdir(parents=True, exist_ok=True)
                where = arguments.data, arguments.cache
                task = text_task(*where) if case.source is None else image_task(case, *where, runs)
                if arguments.quick:
                    task = replace(task, train=_shortened(task.train), test=_shortened(task.test))
                measure(case, task, runs, arguments.cache)
            found = figures_of(case, runs)
            if found is not None:
                figures[case.name] = found
    met = {
        f"{name}, {key}": found[f"share_of_{key}"] is not None and found[f"share_of_{key}"] <= wanted
        for name, found in figures.items()
        for key, wanted in TARGETS.items()
    }
    document = {
        "figures": figures, "targets": TARGETS, "met": met, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if all(met.values()) else 1)


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for name, found in document["figures"].items():
        lines.append(f"{name:<54}{'rows':<15}{'accuracy [90%]':<24}{'CPU seconds':<13}draws")
        warm = [("from what was learned", rows, each) for rows, each in found["warm"].items()]
        for what, rows, each in [("from scratch", found["rows"], found["scratch"]), *warm]:
            accuracy = "{:.3f} [{:.3f}, {:.3f}]".format(*each["accuracy"])
            share = f"{rows} ({rows / found['rows']:.0%})"
            lines.append(f"  {what:<52}{share:<15}{accuracy:<24}{each['cpu_seconds']:<13.1f}{len(each['draws'])}")
        if found["share_of_rows"] is not None:
            draws = ", ".join(f"{share:.0%}" if share else "never" for share in found["share_of_rows_by_draw"])
            lines.append(
                f"  as good with {found['share_of_rows']:.0%} of the rows and {found['share_of_seconds']:.1%} of the seconds"
            )
            lines.append(f"  draw by draw with {draws} of the rows")
        if found["source_cpu_seconds"]:
            lines.append(f"  learning the source took {found['source_cpu_seconds']:.0f} CPU seconds, once")
    lines += [f"{name}: {'met' if reached else 'not met'}" for name, reached in document["met"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
