"""How often the gates are wrong, counted on real models' answers to real test rows.

(a) 1,000 comparisons of two models that differ by their seed alone: how many are promoted at alpha, beside "new >= old".
(b) 300 simulated years of 52 weekly candidates that differ from the champion by their seed alone: how many hold a promotion.
(c) A true gain of 2 points, at the rows that ``rootstock gates power`` asks for: how often it is promoted.
(d) A loss of 5 points planted in one slice of ten, at the rows asked for: how often it is refused, and an equal model is not.
(e) A gap of 3 points planted between two groups, at the rows asked for: the same.

The gates are the package's own, asked as the pipeline asks them. For (a) and (b) test rows are drawn without replacement: rows as
new as real ones. Seeds may differ a little in truth; where they must not ("exchanged"), each row's two answers change sides by the
toss of a coin. For the others rows are drawn with replacement, so that the pool is the population and every truth is known: a gain
is made exact by taking the weaker model's answer on a share of rows, a loss or a gap by turning right answers into wrong ones.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from gates_models import Pool, read_pool
from numpy.typing import NDArray
from rootstock.evaluation.against_champion import AgainstChampion
from rootstock.evaluation.fairness_gap import FairnessGap
from rootstock.evaluation.worst_slice import WorstSlice
from rootstock.part import Gate, Sample
from rootstock.records import Artifact, EvalReport, Scored, Verdict
from rootstock_flows.environment import opt_out
from statsmodels.stats.proportion import proportion_confint
from tqdm import tqdm

ALPHA, LOOKS = 0.05, 52
TEST_ROWS = 500
GAIN, LOSS, GAP = 0.02, 0.05, 0.03
SUPERIORITY = AgainstChampion(claim="superiority", measure="accuracy", margin=None)
SLICES = WorstSlice(columns=("tenth",), baseline="none", margin=LOSS, alpha=0.05, min_rows=50, bins=10)
FAIR = FairnessGap(groups={"group": None}, rate="error", of=None, at_most=GAP, alpha=0.05)
ENOUGH, REFUSED = 0.8, 0.9

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """How often something happened."""

    happened: int
    of: int

    def document(self) -> dict[str, float]:
        """The rate with Wilson's interval at 95%."""
        low, high = proportion_confint(self.happened, self.of, method="wilson")
        return {"rate": round(self.happened / self.of, 4), "low": round(low, 4), "high": round(high, 4), "of": self.of}


def main() -> None:
    """Count, print, and say whether the targets are met."""
    opt_out()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with intents/ and reviews/")
    parser.add_argument("--cache", type=Path, required=True, help="where features and answers are kept")
    parser.add_argument("--quick", action="store_true", help="fewer models and repeats")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    began = time.perf_counter()
    document = measure(arguments.data, arguments.cache, quick=arguments.quick)
    document |= {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "seconds": round(time.perf_counter() - began, 1)}
    print(json.dumps(document, indent=2) if arguments.as_json else text_of(document))


def measure(data: Path, cache: Path, *, quick: bool) -> dict[str, Any]:
    """All figures of both pools."""
    repeats, years = (100, 30) if quick else (1000, 300)
    figures: dict[str, Any] = {}
    for name in ("banking77", "reviews"):
        pool = read_pool(name, data, cache, seeds=12 if quick else 54)
        rng = np.random.default_rng(0)
        figures[name] = {
            "models": describe(pool),
            "a": alike(pool, rng, repeats),
            "b": years_of_luck(pool, rng, years),
            "c": true_gain(pool, rng, repeats // 2),
            "d": planted_loss(pool, rng, repeats // 2),
            "e": planted_gap(pool, rng, repeats // 2),
        }
    met = {f"{name} {part}": check(found[part]) for name, found in figures.items() for part, check in TARGETS.items()}
    return {"figures": figures, "targets": SAYS, "met": met}


def describe(pool: Pool) -> dict[str, float]:
    """The models of a pool: how good, how different."""
    accuracy, weaker = pool.right.mean(axis=1), (pool.weaker == pool.truth).mean(axis=1)
    return {
        "test rows": len(pool.truth),
        "seeds": len(pool.seeds),
        "accuracy": round(float(accuracy.mean()), 4),
        "accuracy sd over seeds": round(float(accuracy.std(ddof=1)), 4),
        "discordance": round(_discordance(pool), 4),
        "accuracy of the weaker": round(float(weaker.mean()), 4),
    }


# ---- two models that differ by their seed --------------------------------------------------------------------------------


def alike(pool: Pool, rng: np.random.Generator, repeats: int) -> dict[str, Any]:
    """(a) One look each, at alpha and at a year's share of it. Seeds differ a little in truth; exchanged they do not."""
    names = ("promoted at alpha", "promoted at alpha / 52", "promoted at alpha, exchanged", "new >= old")
    counted = dict.fromkeys(names, 0)
    for _ in tqdm(range(repeats), desc=f"{pool.name}: alike", disable=None, leave=False):
        first, second = pool.right[rng.choice(len(pool.seeds), 2, replace=False)]
        rows = _test_rows(pool, rng)
        new, old = first[rows], second[rows]
        counted["promoted at alpha"] += _promoted(new, old, ALPHA)
        counted["promoted at alpha / 52"] += _promoted(new, old, ALPHA / LOOKS)
        counted["promoted at alpha, exchanged"] += _promoted(*_exchanged(new, old, rng), ALPHA)
        counted["new >= old"] += bool(new.mean() >= old.mean())
    return {name: Counts(count, repeats).document() for name, count in counted.items()}


def years_of_luck(pool: Pool, rng: np.random.Generator, years: int) -> dict[str, Any]:
    """(b) Each week a candidate of another seed; what is promoted is the champion from then on."""
    names = ("the same test rows all year", "other test rows each week")
    counted = {f"{name}, {rule}": 0 for name in names for rule in ("this gate", "new >= old")}
    for _ in tqdm(range(years), desc=f"{pool.name}: years", disable=None, leave=False):
        order = rng.permutation(len(pool.seeds))
        candidates = [order[1 + week % (len(order) - 1)] for week in range(LOOKS)]
        same = _test_rows(pool, rng)
        weekly = [_test_rows(pool, rng) for _ in range(LOOKS)]
        for name, test in ((names[0], [same] * LOOKS), (names[1], weekly)):
            champion, naive, moved, moved_naively = order[0], order[0], False, False
            for candidate, rows in zip(candidates, test, strict=True):
                new = pool.right[candidate][rows]
                if candidate != champion and _promoted(new, pool.right[champion][rows], ALPHA / LOOKS):
                    champion, moved = candidate, True
                if candidate != naive and new.mean() >= pool.right[naive][rows].mean():
                    naive, moved_naively = candidate, True
            counted[f"{name}, this gate"] += moved
            counted[f"{name}, new >= old"] += moved_naively
    return {name: Counts(count, years).document() for name, count in counted.items()}


# ---- what is to be found -------------------------------------------------------------------------------------------------


def true_gain(pool: Pool, rng: np.random.Generator, repeats: int) -> dict[str, Any]:
    """(c) The champion learned from fewer rows; the candidate takes its answer on so many rows that 2 points are left."""
    weaker = pool.weaker == pool.truth
    pairs = [(old, new) for old in weaker for new in pool.right if new.mean() - old.mean() > GAIN]
    shares = [GAIN / (new.mean() - old.mean()) for old, new in pairs]
    discordance = float(np.mean([share * (new != old).mean() for share, (old, new) in zip(shares, pairs, strict=True)]))
    n = _rows_needed(SUPERIORITY, pool, discordance=discordance, wanted=GAIN)
    promoted = 0
    for _ in tqdm(range(repeats), desc=f"{pool.name}: gain", disable=None, leave=False):
        place = int(rng.integers(len(pairs)))
        rows = rng.integers(0, len(pool.truth), n)
        old, new = (right[rows] for right in pairs[place])
        promoted += _promoted(np.where(rng.random(n) < shares[place], new, old), old, ALPHA / LOOKS)
    return {"rows": n, "discordance": round(discordance, 4), "promoted": Counts(promoted, repeats).document()}


def planted_loss(pool: Pool, rng: np.random.Generator, repeats: int) -> dict[str, Any]:
    """(d) Equal in truth in every slice, but for 5 points in one of them."""
    n = _rows_needed(SLICES, pool, discordance=_discordance(pool), wanted=None)

    def drawn(lost: float) -> Iterator[Verdict]:
        for _ in range(repeats):
            first, second = pool.right[rng.choice(len(pool.seeds), 2, replace=False)]
            rows = rng.integers(0, len(pool.truth), n)
            new, old = _exchanged(first[rows], second[rows], rng)
            tenth, chosen = pool.slices[rows], int(rng.integers(10))
            accuracy = (first[pool.slices == chosen].mean() + second[pool.slices == chosen].mean()) / 2
            new = new & ~((tenth == chosen) & (rng.random(n) < lost / accuracy))
            yield SLICES.decide(REPORT, _table(new, old, tenth=tenth), level=ALPHA / LOOKS).verdict

    return {"rows": n, "discordance": round(_discordance(pool), 4), **_verdicts(pool, drawn, LOSS)}


def planted_gap(pool: Pool, rng: np.random.Generator, repeats: int) -> dict[str, Any]:
    """(e) Two groups of five slices each, made to err as often as the worse of them, one of them 3 points more."""
    group = pool.slices // 5
    rates = [float(1 - pool.right[:, group == place].mean()) for place in (0, 1)]
    n = _rows_needed(FAIR, pool, discordance=0.1, wanted=None, accuracy=1 - max(rates))

    def drawn(gap: float) -> Iterator[Verdict]:
        for _ in range(repeats):
            right = pool.right[rng.integers(len(pool.seeds))]
            rows = rng.integers(0, len(pool.truth), n)
            found, of, worse = right[rows], group[rows], int(rng.integers(2))
            own = [float(1 - right[group == place].mean()) for place in (0, 1)]
            for place in (0, 1):
                wanted = max(*rates, *own) + (gap if place == worse else 0.0)
                found = found & ~((of == place) & (rng.random(n) < (wanted - own[place]) / (1 - own[place])))
            yield FAIR.decide(REPORT, _table(found, found, group=of), level=ALPHA / LOOKS).verdict

    return {"rows": n, "error rate": round(max(rates), 4), **_verdicts(pool, drawn, GAP)}


# ---- asking the gates ----------------------------------------------------------------------------------------------------


def _report() -> EvalReport:
    champion = Scored(name="champion", measures={}, note="")
    return EvalReport(
        dataset="pool", revision="pool/v1", labels=("right", "wrong"), source=None, measures={}, per_class={}, baselines=(),
        champion=champion, confusion=(), champion_labels=("right", "wrong"), predictions=Artifact(path="none", sha256="0" * 64),
        seconds=0.0,
    )  # fmt: skip


REPORT = _report()


def _table(new: Mask, old: Mask, **slices: Rows) -> pd.DataFrame:
    """Rows as the gates read them. What counts is whether an answer is right, so there are two labels."""
    names = np.array(["wrong", "right"], dtype=object)
    rows = {"label": "right", "predicted:model": names[new.astype(int)], "predicted:champion": names[old.astype(int)]}
    return pd.DataFrame(rows | {f"slice:{name}": found.astype(str) for name, found in slices.items()})


def _promoted(new: Mask, old: Mask, level: float) -> bool:
    return _passes(int((new & ~old).sum()), int((old & ~new).sum()), len(new), level)


@cache
def _passes(wins: int, losses: int, n: int, level: float) -> bool:
    """What the gate says of so many wins and losses, whichever rows they are: it is asked about each pair of counts once."""
    place = np.arange(n)
    new, old = place >= losses, (place < losses) | (place >= losses + wins)
    return SUPERIORITY.decide(REPORT, _table(new, old), level=level).verdict == "pass"


def _test_rows(pool: Pool, rng: np.random.Generator) -> Rows:
    return rng.choice(len(pool.truth), TEST_ROWS, replace=False)


def _exchanged(first: Mask, second: Mask, rng: np.random.Generator) -> tuple[Mask, Mask]:
    coin = rng.random(len(first)) < 0.5
    return np.where(coin, first, second), np.where(coin, second, first)


def _discordance(pool: Pool) -> float:
    pairs = np.random.default_rng(1).integers(0, len(pool.seeds), (200, 2))
    return float(np.mean([(pool.right[i] != pool.right[j]).mean() for i, j in pairs if i != j]))


def _rows_needed(gate: Gate, pool: Pool, *, discordance: float, wanted: float | None, accuracy: float | None = None) -> int:
    """The rows that ``rootstock gates power`` asks for."""
    tenths = {str(place): int((pool.slices == place).sum()) for place in range(10)}
    groups = {str(place): int((pool.slices // 5 == place).sum()) for place in (0, 1)}
    sample = Sample(
        rows=len(pool.truth), class_rows={}, slice_rows={"tenth": tenths, "group": groups},
        accuracy=accuracy if accuracy is not None else float(pool.right.mean()), discordance=discordance,
    )  # fmt: skip
    needed = gate.detectable(sample, level=ALPHA / LOOKS, wanted=wanted)[0].rows_needed
    assert needed is not None
    return needed


def _verdicts(pool: Pool, drawn: Callable[[float], Iterator[Verdict]], planted: float) -> dict[str, Any]:
    """How often the gate lets a model pass that is as it should be, and how often one with something planted."""
    good, bad = (list(tqdm(drawn(size), desc=pool.name, disable=None, leave=False)) for size in (0.0, planted))
    return {
        "equal: passed": Counts(good.count("pass"), len(good)).document(),
        "equal: failed": Counts(good.count("fail"), len(good)).document(),
        "planted: refused": Counts(len(bad) - bad.count("pass"), len(bad)).document(),
        "planted: failed": Counts(bad.count("fail"), len(bad)).document(),
    }


# ---- targets and text ----------------------------------------------------------------------------------------------------

SAYS = {
    "a": f"at most {ALPHA} of comparisons promoted at alpha {ALPHA}",
    "b": f"at most {ALPHA} of years hold a promotion",
    "c": f"at least {ENOUGH} promoted",
    "d": f"at least {REFUSED} refused",
    "e": f"at least {REFUSED} refused",
}
TARGETS: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "a": lambda found: bool(max(found[name]["rate"] for name in found if name.startswith("promoted")) <= ALPHA),
    "b": lambda found: bool(max(found[name]["rate"] for name in found if name.endswith("this gate")) <= ALPHA),
    "c": lambda found: bool(found["promoted"]["rate"] >= ENOUGH),
    "d": lambda found: bool(found["planted: refused"]["rate"] >= REFUSED),
    "e": lambda found: bool(found["planted: refused"]["rate"] >= REFUSED),
}


def text_of(document: Mapping[str, Any]) -> str:
    """The table for people."""
    lines = []
    for name, found in document["figures"].items():
        lines.append(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found["models"].items()))
        for part in TARGETS:
            given = ", ".join(f"{key} {value}" for key, value in found[part].items() if not isinstance(value, dict))
            met = "met" if document["met"][f"{name} {part}"] else "not met"
            lines.append(f"  ({part}) {document['targets'][part]}: {met}{'; ' + given if given else ''}")
            for key, value in found[part].items():
                if isinstance(value, dict):
                    lines.append(f"      {key:<44} {value['rate']:.3f} [{value['low']:.3f}, {value['high']:.3f}] of {value['of']}")
    return "\n".join([*lines, f"{document['seconds']:.0f} s on {document['machine']}"])


if __name__ == "__main__":
    sys.exit(main())
