"""How good rankings are: their order, what their first choice loses, and how far off predicted gains are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rankings import ALONE, CONFIDENCE, HERE, Cell, gains_of, knows_every_class
from rootstock.finetuning.halving import Trial, run_race
from rootstock.finetuning.posterior_gain import best_by_posterior_gain
from rootstock.params import HalvingParams
from rootstock.records import JOINT
from scipy.stats import weightedtau
from sklearn.metrics import roc_auc_score
from transfer_families import SOURCE_ROWS, UNRELATED

DRAWS_OF_TARGETS = 2000
#: Labelled rows of the races that are replayed.
RACED_ROWS = 32


#: Name of an advisor -> cell number -> (gain, low, high, risk), each (s,).
Advisors = Mapping[str, Mapping[int, Any]]


def rankers(cells: list[Cell], advisors: Advisors) -> dict[str, list[NDArray[np.float64]]]:
    """What each way of ranking gives every cell: higher is better."""
    random = np.random.default_rng(0)
    return (
        {name: [said[number][0] for number in range(len(cells))] for name, said in advisors.items()}
        | {
            "random": [random.normal(size=len(cell.sources)) for cell in cells],
            "static prior": [_static(cell, cells) for cell in cells],
        }
        | {
            name: [cell.scores[name].to_numpy() for cell in cells]
            for name in ("consensus", "tfidf_cosine", "centroid_cosine", "source_head_loglik", "source_accuracy")
            if cells[0].scores[name].notna().any()
        }
    )


def _static(cell: Cell, cells: list[Cell]) -> NDArray[np.float64]:
    """Mean gain of each source on the other targets."""
    gains: dict[str, list[float]] = {}
    for other in cells:
        if other.target != cell.target and other.rows == cell.rows:
            for source, gain in zip(other.sources, other.gains, strict=True):
                gains.setdefault(source, []).append(float(gain))
    return np.array([np.mean(gains.get(source, [0.0])) for source in cell.sources])


def judge(cells: list[Cell], values: list[NDArray[np.float64]], *, truth: str) -> dict[str, NDArray[np.float64]]:
    """Per cell: weighted Kendall tau, regret of the best and of the best of three, in points."""
    tau, first, three = [], [], []
    for cell, value in zip(cells, values, strict=True):
        gains = getattr(cell, truth)
        order = np.argsort(-np.nan_to_num(value, nan=-np.inf), kind="stable")
        tau.append(float(np.nan_to_num(weightedtau(np.nan_to_num(value, nan=-1e9), gains)[0])))  # without any order, none is right
        first.append(100 * float(gains.max() - gains[order[0]]))
        three.append(100 * float(gains.max() - gains[order[:3]].max()))
    return {"tau": np.array(tau), "regret_1": np.array(first), "regret_3": np.array(three)}


def chance_of(cells: list[Cell], values: list[NDArray[np.float64]], targets: NDArray[np.str_]) -> dict[str, Any] | None:
    """How much of tau and regret is the chance of which rows are tested.

    ``tau`` and ``regret_1`` are what a ranking by one half of the test rows, after paying for every tuning, reaches on the other
    half. ``fair_regret_1`` is what the values' first choice loses against the first choice of one half, both measured on the other:
    the best of many is lucky on the rows it was chosen on, so regret against it on the same rows is too high.
    """
    if any(cell.halves is None for cell in cells):
        return None
    found: dict[str, list[float]] = {"tau": [], "regret_1": [], "fair_regret_1": []}
    for cell, value in zip(cells, values, strict=True):
        assert cell.halves is not None
        mine = int(np.argmax(np.nan_to_num(value, nan=-np.inf)))
        pairs = ((cell.halves[0], cell.halves[1]), (cell.halves[1], cell.halves[0]))
        found["tau"].append(float(np.mean([weightedtau(a, b)[0] for a, b in pairs])))
        found["regret_1"].append(100 * float(np.mean([b.max() - b[a.argmax()] for a, b in pairs])))
        found["fair_regret_1"].append(100 * float(np.mean([b[a.argmax()] - b[mine] for a, b in pairs])))
    return {name: over_targets(np.array(each), targets) for name, each in found.items()}


def over_targets(values: NDArray[np.float64], targets: NDArray[np.str_]) -> tuple[float, float, float]:
    """Mean over targets with a bootstrap interval at 90% over them."""
    means = pd.Series(values).groupby(targets).mean().to_numpy()
    draws = np.random.default_rng(0).integers(len(means), size=(DRAWS_OF_TARGETS, len(means)))
    low, high = np.quantile(means[draws].mean(axis=1), [0.05, 0.95])
    return float(means.mean()), float(low), float(high)


def race(cells: list[Cell], said: dict[int, Any], trials: pd.DataFrame, halving: HalvingParams) -> dict[str, Any]:
    """Successive halving among the advisor's best at 32 labelled rows: regret in points, races called clear, share of the cost."""
    kept = {(row.seed, row.source, row.rows, row.target): row for row in trials.itertuples()}
    regrets, unclear, clear, shares, targets = [], [], [], [], []
    for number, cell in enumerate(cells):
        if cell.rows != RACED_ROWS:
            continue
        order = np.argsort(-said[number][0])[: halving.candidates]
        spent = 0.0

        def attempt(name: str, rows: int, cell: Cell = cell) -> Trial:
            nonlocal spent
            row = kept[cell.seed, name, min(rows, max(trials["rows"])), cell.target]
            spent += row.tuning_cpu_seconds + row.trying_cpu_seconds
            losses, correct = tuple(map(float, row.losses.split())), tuple(letter == "1" for letter in str(row.correct))
            return Trial(source_rows=row.rows, row_passes=0, losses=losses, correct=correct)

        found = run_race(
            {cell.sources[i]: SOURCE_ROWS for i in order}, attempt, control=attempt(ALONE, 0), halving=halving,
            confidence=CONFIDENCE, seed=cell.seed,
        )  # fmt: skip
        stands = best_by_posterior_gain(found, {cell.sources[i]: float(said[number][0][i]) for i in order}).name
        regrets.append(100 * float(cell.expected.max() - cell.expected[cell.sources.index(stands)]))
        unclear.append(100 * float(cell.expected.max() - cell.expected[cell.sources.index(found.winner.name)]))
        clear.append(found.clear)
        shares.append(spent / cell.scores["source_tuning_cpu_seconds"].astype(float).sum())
        targets.append(cell.target)
    return {
        "regret_1": over_targets(np.array(regrets), np.array(targets)), "worst_regret_1": max(regrets),
        "regret_1_unclear_too": over_targets(np.array(unclear), np.array(targets)), "clear": float(np.mean(clear)),
        "share_of_tuning_all": float(np.mean(shares)),
    }  # fmt: skip


def foretold(cells: list[Cell], said: list[NDArray[np.float64]]) -> dict[str, Any]:
    """How far off the gains, intervals and warnings are that were ``said`` (4, s) of each cell."""
    found: dict[str, Any] = {}
    targets = np.array([cell.target for cell in cells])
    gains = np.concatenate([cell.gains for cell in cells])
    expected = np.concatenate([cell.expected for cell in cells])
    gain, low, high, risk = np.concatenate(said, axis=1)
    sources = np.concatenate([cell.sources for cell in cells])
    per_row = np.repeat(targets, [len(cell.sources) for cell in cells])
    found["error_points"] = over_targets(100 * np.abs(gains - gain), per_row)
    found["coverage"] = over_targets(((low <= gains) & (gains <= high)).astype(float), per_row)
    found["half_width_points"] = float(50 * (high - low).mean())
    for name, truth in (("warning_auc", expected), ("warning_auc_per_draw", gains)):
        found[name] = float(roc_auc_score(truth < 0, risk)) if 0 < (truth < 0).mean() < 1 else None
    related = ~np.isin(sources, list(UNRELATED.values()))
    found["warning_auc_related_sources"] = (
        float(roc_auc_score(expected[related] < 0, risk[related])) if (expected[related] < 0).any() else None
    )
    return found


def figures(cells: list[Cell], advisors: Advisors, rows: int, *, best: str) -> dict[str, Any]:
    """All figures at one number of labelled rows; how much is chance, for the advisor called ``best``."""
    numbers = [number for number, cell in enumerate(cells) if cell.rows == rows]
    mine = [cells[number] for number in numbers]
    targets = np.array([cell.target for cell in mine])
    found: dict[str, Any] = {"rankers": {}}
    for name, values in rankers(cells, advisors).items():
        for truth in ("expected", "gains"):
            judged = judge(mine, [values[number] for number in numbers], truth=truth)
            entry = {key: over_targets(each, targets) for key, each in judged.items()}
            entry["worst_regret_1"] = (float(judged["regret_1"].max()),) * 3
            found["rankers"].setdefault(name, {})[truth] = entry
    found["chance"] = chance_of(mine, [advisors[best][number][0] for number in numbers], targets)
    found["negative_share"] = float((np.concatenate([cell.gains for cell in mine]) < 0).mean())
    found["foretold"] = {name: foretold(mine, [said[number] for number in numbers]) for name, said in advisors.items()}
    found["scoring_cpu_seconds"] = float(np.mean([cell.scores["cpu_seconds"].sum() for cell in mine]))
    found["tuning_all_cpu_seconds"] = float(
        np.mean([cell.scores["source_tuning_cpu_seconds"].astype(float).sum() for cell in mine])
    )
    return found


def joined_figures(cells: list[Cell], advisors: Advisors, rows: int, *, plain: str, best: str) -> dict[str, Any] | None:
    """What the best sources together gain; where such are joined, also all figures of rankings with them as a candidate.

    Held against the choice of the advisor called ``plain``.
    """
    said = advisors[plain]
    numbers = [number for number, cell in enumerate(cells) if cell.rows == rows and JOINT in cell.sources[-1]]
    if not numbers:
        return None
    mine, gains = [cells[number] for number in numbers], [said[number][0] for number in numbers]
    targets = np.array([cell.target for cell in mine])
    together = np.array([cell.expected[-1] for cell in mine])
    first = np.array([cell.expected[:-1][np.argmax(gain[:-1])] for cell, gain in zip(mine, gains, strict=True)])
    highest = np.array([cell.expected[:-1].max() for cell in mine])
    gained = {
        "over_first_points": over_targets(100 * (together - first), targets),
        "over_best_points": over_targets(100 * (together - highest), targets),
    }
    if not all(knows_every_class(cell.evidence[-1]) for cell in mine):
        return gained
    chosen = np.array([cell.expected[np.argmax(gain)] for cell, gain in zip(mine, gains, strict=True)])
    realised = np.array([cell.gains[-1] for cell in mine])
    predicted, low, high, _ = np.array([said[number][:, -1] for number in numbers]).T
    return (
        figures(cells, advisors, rows, best=best)
        | gained
        | {
            "chosen_over_best_points": over_targets(100 * (chosen - highest), targets),
            "worst_chosen_over_best_points": float(100 * (chosen - highest).min()),
            "taken": float(np.mean([np.argmax(gain) == len(gain) - 1 for gain in gains])),
            "own_error_points": over_targets(100 * np.abs(realised - predicted), targets),
            "own_coverage": over_targets(((low <= realised) & (realised <= high)).astype(float), targets),
        }
    )


def control_of(family: str, cells: list[Cell], rows: int) -> tuple[float, float, float] | None:
    """Points that the advisor's first source gains by as many steps as three together take; None where that was not measured."""
    path = HERE / f"transfer_joined_{family}.csv"
    if not path.is_file():
        return None
    table = gains_of(family, path)
    table = table[~table["source"].str.contains(JOINT, regex=False) & (table["labelled_rows"] == rows)]
    once = {
        (cell.target, cell.seed, name): gain
        for cell in cells
        if cell.rows == rows
        for name, gain in zip(cell.sources, cell.gains, strict=True)
    }
    longer = [100 * (row["gain in accuracy"] - once[row["target"], row["seed"], row["source"]]) for row in table.to_dict("records")]
    return over_targets(np.array(longer), table["target"].to_numpy()) if longer else None
