"""What is pretraining, or an earlier domain, worth in labels and in time?

The same architecture is trained from random weights with all labelled rows; then, starting from what was learned elsewhere, with
more and more rows, until it is as good. Texts: bank questions, MiniLM with its published weights. Images: USPS from a small
residual network that has learned MNIST, and MNIST from one that has learned USPS; and both from one that has learned scikit-
learn's and printed digits too. In the cases "and rows without label" what is left of the target's training rows is read too, their
labels are not; in "rows chosen" a model says which rows get a label; "wide-resnet" is a network four times as wide.

Seconds are CPU seconds of fitting on the target; those of learning the source are shown apart, as it is learned once. From
scratch, the epochs count up to the first that answers the test rows as well as the last one does: no second is charged that
brought nothing. Draws differ in their rows, in the order of steps, and from scratch in the random weights.

The targets are met where one way to learn a target warm meets both; all ways that were measured are printed.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from kept_runs import KeptRuns, Run, mean_of, recipe
from rootstock.finetuning.choose_method import Circumstances, choose_method
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.trial import stratified_order
from rootstock.head import log_probabilities
from rootstock.part import FineTuneMethod, Keep, Rows, Start, UnlabelledRows
from rootstock_flows.environment import opt_out
from rows_in_rounds import Chosen, rows_by_chance, rows_chosen
from scratch_tasks import CASES, KEY, MEASURED, USUAL_PENALTY, Case, Task, image_task, key_of, method_of, text_task
from statsmodels.stats.proportion import proportion_confint

RUNS = Path(__file__).with_name("from_scratch_runs.csv")
TARGETS = {"rows": 0.10, "seconds": 0.20}
QUICK_ROWS = 1000
CHECKPOINT_SECONDS = 300.0


def _fit(task: Task, case: Case, size: int, draw: int, *, start: str, unfinished: Path) -> dict[str, object]:
    """Accuracy on the test rows and CPU seconds of fitting; from scratch also the accuracy after each epoch.

    What is stopped from scratch goes on where it was, and so do its seconds.
    """
    scratch, task = start == "scratch", task.of_draw(draw)
    with _clock(unfinished / "seconds.txt" if scratch else None) as clock:
        if scratch:
            given = Chosen(rows_by_chance(task, size, draw), partial(task.cold, draw), None)
        elif case.rounds is None:
            given = Chosen(rows_by_chance(task, size, draw), task.warm, task.prior)
        else:
            given = rows_chosen(task, case.rounds, size, draw)
        begin = Start(given.load, task.classes, given.prior)
        if scratch:
            begin = replace(begin, keep=Keep(unfinished, CHECKPOINT_SECONDS))
        rows = take(task.train, given.rows)
        others = [task.train.inputs[row] for row in np.setdiff1d(np.arange(len(task.train.labels)), given.rows)]
        method = method_of(case.scratch) if scratch else _by_rule(task, case, rows)
        if method.name == "label_spreading":
            begin = replace(
                begin, unlabelled=UnlabelledRows(partial(_first, others), lambda most: task.warm().embed(others[:most]))
            )
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
    print(f"{case.name}, {start}, {size} rows, draw {draw}: {found}", file=sys.stderr, flush=True)
    return found


def _first(inputs: Sequence[Any], most: int) -> Sequence[Any]:
    return inputs[:most]


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
            key = key_of(case, start, rows, draw)
            fit = partial(_fit, task, case, rows, draw, start=start, unfinished=cache / f"unfinished-{recipe(key)}")
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
    paired = len(full["draws"]) == len(draws) > 1  # each draw on test rows of its own, warm and from scratch alike
    wanted_by_draw = full["draws"] if paired else [wanted] * len(draws)
    most = max((each for each in warm if each <= round(TARGETS["rows"] * rows)), default=None)
    return {
        "rows": rows, "scratch": full, "warm": warm,
        "share_of_rows": reached / rows if reached else None,
        "share_of_seconds": warm[reached]["cpu_seconds"] / full["cpu_seconds"] if reached else None,
        "share_of_rows_by_draw": [
            next((each / rows for each in warm if warm[each]["draws"][draw] >= wanted_by_draw[draw]), None) for draw in draws
        ],
        "gain_points": _gain(warm[most]["draws"], full["draws"]) if paired and most else None,
        "gain_rows": most,
        "source_cpu_seconds": next(iter(source.values()))["cpu_seconds"] if source else None,
    }  # fmt: skip


def _gain(warm: Sequence[float], scratch: Sequence[float]) -> tuple[float, float, float]:
    """Mean over draws, with its interval."""
    mean, low, high = mean_of([100 * (one - other) for one, other in zip(warm, scratch, strict=True)])
    return mean, low, high


def _kept(case: Case, start: str, runs: KeptRuns) -> dict[int, dict[str, Any]]:
    """Rows -> means over draws, by these settings."""
    wanted = key_of(case, start, 0, 0)
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
                    task = replace(task, train=_shortened(task.train), test=_shortened(task.test), rows=None)
                measure(case, task, runs, arguments.cache)
            found = figures_of(case, runs)
            if found is not None:
                figures[case.name] = found
    met = {
        f"{name}, {key}": found[f"share_of_{key}"] is not None and round(found[f"share_of_{key}"], 3) <= wanted  # of whole rows
        for name, found in figures.items()
        for key, wanted in TARGETS.items()
    }
    ways = {
        target: [name for name in figures if _target(name) == target and all(met[f"{name}, {key}"] for key in TARGETS)]
        for target in dict.fromkeys(map(_target, figures))
    }
    document = {
        "figures": figures, "targets": TARGETS, "met": met, "met_by": ways,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if all(ways.values()) else 1)


def _target(name: str) -> str:
    return name.split(",")[0].split(" from ")[0]


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for name, found in document["figures"].items():
        lines.append(f"{name:<74}{'rows':<15}{'accuracy [90%]':<24}{'CPU seconds':<13}draws")
        warm = [("from what was learned", rows, each) for rows, each in found["warm"].items()]
        for what, rows, each in [("from scratch", found["rows"], found["scratch"]), *warm]:
            accuracy = "{:.3f} [{:.3f}, {:.3f}]".format(*each["accuracy"])
            share = f"{rows} ({rows / found['rows']:.0%})"
            lines.append(f"  {what:<72}{share:<15}{accuracy:<24}{each['cpu_seconds']:<13.1f}{len(each['draws'])}")
        if found["gain_points"]:
            gain = "{:+.2f} points [{:+.2f}, {:+.2f}]".format(*found["gain_points"])
            lines.append(f"  {gain} over from scratch with {found['gain_rows'] / found['rows']:.0%} of the rows, draw by draw")
        if found["share_of_rows"] is not None:
            draws = ", ".join(f"{share:.0%}" if share else "never" for share in found["share_of_rows_by_draw"])
            lines.append(
                f"  as good with {found['share_of_rows']:.0%} of the rows and {found['share_of_seconds']:.1%} of the seconds"
            )
            lines.append(f"  draw by draw with {draws} of the rows")
        if found["source_cpu_seconds"]:
            lines.append(f"  learning the source took {found['source_cpu_seconds']:.0f} CPU seconds, once")
    lines += [f"{name}: {'met' if reached else 'not met'}" for name, reached in document["met"].items()]
    for target, ways in document["met_by"].items():
        lines.append(f"{target}, rows and seconds at once: " + (f"met by {'; by '.join(ways)}" if ways else "not met"))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
