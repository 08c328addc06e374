"""How many labels does it save to let a model choose which rows to label?

From a first draw of labelled rows, the same for each strategy, rows are labelled in rounds: a linear probe is fitted, the strategy
chooses from the rest of the training rows, their labels are looked up. The test rows are nowhere among them. Beside each strategy's
gain over rows by chance stands how many labels by chance are as good, by interpolation between rounds of which chance has twice
as many. Texts on MiniLM as published (reviews also after learning opinions of kitchenware), digits on a small residual network that
has learned those of the other collection.
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
from few_labels import MAX_TOKENS
from kept_runs import KeptRuns, mean_of
from label_spreading import SOURCE, source_of, tuned
from numpy.typing import NDArray
from rootstock.finetuning.crossvalidate import take
from rootstock.head import log_probabilities
from rootstock.part import FineTuneMethod, Pool, QueryStrategy, Rows, Start, members, parse_part
from rootstock.rows import bare_encoder
from rootstock_flows.environment import opt_out
from scratch_tasks import CASES, image_task, text_task
from tqdm import tqdm
from transfer_families import read_family

DRAWS, ROUNDS = 10, 4
CHANCE = "random"
PENALTY = 10.0
#: Of a family's domains, so many training rows are the pool.
POOL_ROWS, TEST_ROWS = 3000, 1000
REVIEWS = ("apparel", "books", "imdb", "music")


@dataclass(frozen=True)
class Task:
    """A data set as an encoder sees it."""

    name: str
    pool: Rows
    test: Rows
    rows: int
    """labelled first, and in each round"""


def tasks(data: Path, cache: Path) -> Iterator[Task]:
    """Each with its features, one at a time."""
    bank = text_task(data, cache)
    encoder = source_of(MAX_TOKENS).load()
    yield Task("bank questions", _seen(bank.train, encoder), _seen(bank.test, encoder), 154)
    for family, names in (("docs", None), ("sentiment", None), ("reviews", REVIEWS)):
        found = read_family(family, data, cache)
        loaded = bare_encoder(found.backbone, found.modality, pooling="mean", batch_rows=64, cache_folder=cache).load()
        after = tuned(data, None) if family == "reviews" else None
        for name in names or [domain.name for domain in found.targets]:
            pool, test = _parts(found.domains[name])
            rows = 8 * len(found.domains[name].classes)
            yield Task(f"{family}, {name}", _seen(pool, loaded), _seen(test, loaded), rows)
            if after is not None:
                yield Task(f"{family}, {name}, after {SOURCE.split('_')[0]}", _seen(pool, after), _seen(test, after), rows)
    for name in ("usps", "mnist"):
        digits = image_task(CASES[name], data, cache, KeptRuns(cache / "runs.csv", key=("case",), measured=()))
        encoder = digits.warm()
        yield Task(CASES[name].name, _seen(digits.train, encoder), _seen(digits.test, encoder), 80)


def _parts(domain: Any) -> tuple[Rows, Rows]:
    """What may be labelled, and what is tested on."""
    rows = Rows(list(domain.inputs), domain.labels, np.zeros((len(domain.inputs), 0)))
    order = np.random.default_rng(0).permutation(len(domain.inputs))
    tested = min(TEST_ROWS, len(order) // 2)
    return take(rows, np.sort(order[tested:][:POOL_ROWS])), take(rows, np.sort(order[:tested]))


def _seen(rows: Rows, encoder: Any) -> Rows:
    return Rows(rows.inputs, rows.labels, encoder.embed(list(rows.inputs)))


def accuracies(task: Task, strategy: QueryStrategy, *, rounds: int, draw: int) -> list[float]:
    """On the test rows, after the first draw and after each round."""
    random = np.random.default_rng(draw)
    labelled = list(_first(task, random))
    found = []
    for turn in range(rounds + 1):
        head = _probe(take(task.pool, np.array(labelled)), int(task.pool.labels.max()) + 1, draw)
        found.append(float((log_probabilities(task.test.features, head).argmax(axis=1) == task.test.labels).mean()))
        if turn < rounds:
            rest = np.setdiff1d(np.arange(len(task.pool.labels)), labelled)
            features = task.pool.features[rest]
            pool = Pool(np.exp(log_probabilities(features, head)), features)
            labelled += list(rest[strategy.choose(pool, task.rows, seed=draw * 100 + turn)])
    return found


def _first(task: Task, random: np.random.Generator) -> NDArray[np.int64]:
    """A draw by chance, with a row of each class in it."""
    order = random.permutation(len(task.pool.labels))
    each = np.unique(task.pool.labels[order], return_index=True)[1]
    rest = np.setdiff1d(np.arange(len(order)), each)
    return order[np.concatenate([each, rest])[: task.rows]]


def _probe(rows: Rows, classes: int, seed: int) -> Any:
    method = parse_part(FineTuneMethod, {"name": "linear_probe", "regularisations": (PENALTY,)})  # type: ignore[type-abstract]
    return method.fit(Start(no_encoder, classes, None), rows, heldout=None, setting=PENALTY, seed=seed).head


def no_encoder() -> Any:
    """A probe reads features only."""
    raise AssertionError("the backbone is not read")


def figures_of(task: Task, *, draws: int) -> list[dict[str, Any]]:
    """For each strategy its accuracy, its gain over chance, and the labels by chance that are as good."""
    names = sorted(members(QueryStrategy), key=lambda name: name != CHANCE)  # type: ignore[type-abstract]
    runs: dict[str, list[list[float]]] = {}
    for name in names:
        part = parse_part(QueryStrategy, {"name": name})  # type: ignore[type-abstract]
        rounds = 2 * ROUNDS + 1 if name == CHANCE else ROUNDS
        runs[name] = [accuracies(task, part, rounds=rounds, draw=draw) for draw in range(draws)]
    by_chance = np.mean(runs[CHANCE], axis=0)
    sizes = task.rows * np.arange(1, len(by_chance) + 1)
    chance = [run[ROUNDS] for run in runs[CHANCE]]
    found = []
    for name in names:
        last = [run[ROUNDS] for run in runs[name]]
        # accuracy by chance is made to rise, so that each accuracy has one size
        as_good = float(np.interp(np.mean(last), np.maximum.accumulate(by_chance), sizes))
        found.append({
            "task": task.name, "strategy": name, "labelled": int(sizes[ROUNDS]), "accuracy": mean_of(last),
            "gain_points": mean_of([100 * (mine - other) for mine, other in zip(last, chance, strict=True)]),
            "as_good_by_chance": as_good, "is_at_least": bool(as_good >= sizes[-1]),
        })  # fmt: skip
    return found


def main() -> None:
    """Print a table, or with ``--json`` one document."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="folder for weights that have learned a source")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    opt_out()
    torch.set_num_threads(1)
    begun, figures = time.perf_counter(), []
    bar = tqdm(tasks(arguments.data, arguments.cache), desc="tasks", disable=None, leave=False, file=sys.stderr)
    for task in bar:
        bar.set_postfix_str(task.name)
        figures += figures_of(task, draws=arguments.draws)
    document = {
        "figures": figures, "targets": {}, "met": {}, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{'':<34}{'strategy':<10}{'labels':<8}{'accuracy':<10}{'over chance, points [90%]':<28}as good by chance"]
    for each in document["figures"]:
        gain = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*each["gain_points"]) if each["strategy"] != CHANCE else ""
        more = f"{'at least ' if each['is_at_least'] else ''}{each['as_good_by_chance']:.0f} labels"
        lines.append(
            f"{each['task']:<34}{each['strategy']:<10}{each['labelled']:<8}{each['accuracy'][0]:<10.3f}{gain:<28}"
            f"{more if each['strategy'] != CHANCE else ''}"
        )
    for name in sorted({each["strategy"] for each in document["figures"]} - {CHANCE}):
        gains = [each["gain_points"] for each in document["figures"] if each["strategy"] == name]
        better, worse = sum(low > 0 for _, low, _ in gains), sum(high < 0 for *_, high in gains)
        mean = np.mean([gain for gain, *_ in gains])
        lines.append(
            f"{name}: {mean:+.1f} points on average of {len(gains)} tasks; better than chance in {better}, worse in {worse}"
        )
    return "\n".join([*lines, f"{document['seconds']:.0f} seconds on {document['machine']}"])


if __name__ == "__main__":
    main()
