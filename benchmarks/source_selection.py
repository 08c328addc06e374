"""Does the advisor know what to learn from? Every target of a family is held out in turn.

Reads the tables that ``transfer_outcomes.py`` (accuracy after learning from each source), ``transfer_scores.py`` (similarity
metrics) and ``transfer_trials.py`` (short tunings) have made. For each target the advisor is calibrated on the other targets
alone: no outcome in which the target took part, as target or as source, is seen. "advisor, own history" counts those outcomes
as the team's own, so that a source which did better than it seemed is moved up. With ``--frozen`` the advisor has seen the other
families alone, as with a task of a user's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rootstock.files import write_file
from rootstock.finetuning.halving import Trial, run_race
from rootstock.params import HalvingParams, load_params
from rootstock.part import SimilarityMetric
from rootstock.records import Outcome
from rootstock.similarity.evidence import LEVEL, STANDING, evidence_of
from rootstock.similarity.gain_model import GainModel
from rootstock.similarity.head_agreement import SHARED_UNITS
from rootstock.similarity.outcomes import ENOUGH_TASKS, OUTCOMES_FILE, bundled_outcomes
from scipy.stats import weightedtau
from sklearn.metrics import roc_auc_score
from transfer_families import FAMILIES, MODALITIES, SOURCE_ROWS, TEXT_BACKBONE, UNRELATED

HERE = Path(__file__).resolve().parent
CONFIDENCE = 0.9
DRAWS_OF_TARGETS = 2000
TARGETS_AT_32 = {"tau": 0.75, "regret_1": 0.5, "worst_regret_1": 2.0, "warning_auc": 0.9, "coverage": (0.86, 0.94)}
ALONE = ""
HALVES = ("accuracy_first", "accuracy_second")
#: Labelled rows of the races that are replayed.
RACED_ROWS = 32
#: Pairs of domains that share reviews word for word: neither is a source for the other.
SHARED = {("dvd", "video"), ("video", "dvd")}


@dataclass(frozen=True)
class Cell:
    """One ranking: a target, a number of labelled rows, a draw of them."""

    target: str
    rows: int
    seed: int
    sources: tuple[str, ...]
    evidence: tuple[dict[str, float | None], ...]
    gains: NDArray[np.float64]
    """(s,) realised in this draw"""
    expected: NDArray[np.float64]
    """(s,) realised, mean over draws"""
    halves: NDArray[np.float64] | None
    """(2, s) realised, mean over draws, on either half of the test rows"""
    classes: int
    scores: pd.DataFrame


def read_cells(family: str, metrics: tuple[SimilarityMetric, ...]) -> list[Cell]:
    """Every ranking of a family's tables."""
    outcomes = pd.read_csv(HERE / f"transfer_outcomes_{family}.csv", keep_default_na=False)
    scores = pd.read_csv(HERE / f"transfer_scores_{family}.csv", keep_default_na=False)
    units = {metric.name: metric.unit for metric in metrics} | SHARED_UNITS
    names = list(units)
    scores = scores.reindex(columns=[*scores.columns, *(name for name in names if name not in scores)])
    numeric = [*names, "source_accuracy", "cpu_seconds"]
    scores[numeric] = scores[numeric].apply(pd.to_numeric, errors="coerce")
    scores["classes"] = scores["classes"].astype(int) if "classes" in scores else 2
    table = scores.merge(outcomes, on=["target", "source", "seed", "labelled_rows"])
    table = table[[pair not in SHARED for pair in zip(table["target"], table["source"], strict=True)]].copy()
    for column in ("accuracy", *(half for half in HALVES if half in table)):
        gain = table[column] - table.groupby(["target", "seed", "labelled_rows"])[column].transform(
            lambda accuracy: accuracy[table.loc[accuracy.index, "source"] == ALONE].iloc[0]
        )
        table[f"gain in {column}"] = gain
        table[f"expected {column}"] = gain.groupby([table["target"], table["source"], table["labelled_rows"]]).transform("mean")
    cells = []
    for (target, rows, seed), part in table.groupby(["target", "labelled_rows", "seed"]):
        by_source = part.set_index("source")
        seen = by_source[names].astype(object).where(by_source[names].notna(), None).to_dict("index")
        sources = tuple(name for name in by_source.index if name != ALONE)
        classes = int(part["classes"].iloc[0])
        evidence = evidence_of(seen, units, alone=ALONE, domains=sources, classes=classes)
        chosen = by_source.loc[list(sources)]
        cells.append(
            Cell(
                str(target), int(rows), int(seed), sources, tuple(evidence[name] for name in sources),
                chosen["gain in accuracy"].to_numpy(), chosen["expected accuracy"].to_numpy(), _halves(chosen), classes, chosen,
            )
        )  # fmt: skip
    return cells


def _halves(chosen: pd.DataFrame) -> NDArray[np.float64] | None:
    columns = [f"expected {half}" for half in HALVES]
    return chosen[columns].to_numpy().T if set(columns) <= set(chosen.columns) else None


def outcomes_of(cells: list[Cell], family: str) -> tuple[Outcome, ...]:
    """Cells as past outcomes."""
    return tuple(
        Outcome(
            task=family, target=cell.target, source=source, backbone=TEXT_BACKBONE, labelled_rows=cell.rows, classes=cell.classes,
            evidence=evidence, predicted=None, realised=float(gain),
        )
        for cell in cells
        for source, evidence, gain in zip(cell.sources, cell.evidence, cell.gains, strict=True)
    )  # fmt: skip


def predict(
    family: str, cells: list[Cell], past: tuple[Outcome, ...], names: tuple[str, ...], *, leave_out: bool, own: bool = False
) -> dict[int, Any]:
    """Cell number -> (gain, low, high, risk), each (s,); with ``own``, outcomes at as many labelled rows count as the team's."""
    models: dict[str, GainModel] = {}
    tasks = {outcome.task for outcome in past}
    kin = frozenset(task for task in tasks if MODALITIES[task] == MODALITIES[family])
    kin = kin if len(kin) >= ENOUGH_TASKS else frozenset()
    found = {}
    for number, cell in enumerate(cells):
        if leave_out:
            kept = tuple(outcome for outcome in past if cell.target not in (outcome.target, outcome.source))
            mine = tuple(outcome for outcome in kept if own and outcome.labelled_rows == cell.rows)
            model = models.setdefault(f"{cell.target} {cell.rows}", GainModel(kept, mine, names))
        else:
            model = models.setdefault("", GainModel(past, (), names, kin))
        said = model.predict(cell.evidence, cell.sources, rows_per_class=cell.rows / cell.classes, confidence=CONFIDENCE)
        found[number] = np.array([[p.gain, p.low, p.high, p.risk] for p in said]).T
    return found


def rankers(cells: list[Cell], said: dict[int, Any], informed: dict[int, Any]) -> dict[str, list[NDArray[np.float64]]]:
    """What each way of ranking gives every cell: higher is better."""
    random = np.random.default_rng(0)
    return {
        "advisor": [said[number][0] for number in range(len(cells))],
        "advisor, own history": [informed[number][0] for number in range(len(cells))],
        "random": [random.normal(size=len(cell.sources)) for cell in cells],
        "static prior": [_static(cell, cells) for cell in cells],
    } | {
        name: [cell.scores[name].to_numpy() for cell in cells]
        for name in ("tfidf_cosine", "centroid_cosine", "source_head_loglik", "source_accuracy")
        if cells[0].scores[name].notna().any()
    }


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
        tau.append(float(weightedtau(np.nan_to_num(value, nan=-1e9), gains)[0]))
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
        stands = found.winner.name if found.clear else cell.sources[int(order[0])]
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


def figures(cells: list[Cell], said: dict[int, Any], informed: dict[int, Any], rows: int) -> dict[str, Any]:
    """All figures at one number of labelled rows."""
    numbers = [number for number, cell in enumerate(cells) if cell.rows == rows]
    mine = [cells[number] for number in numbers]
    targets = np.array([cell.target for cell in mine])
    found: dict[str, Any] = {"rankers": {}}
    for name, values in rankers(cells, said, informed).items():
        for truth in ("expected", "gains"):
            judged = judge(mine, [values[number] for number in numbers], truth=truth)
            entry = {key: over_targets(each, targets) for key, each in judged.items()}
            entry["worst_regret_1"] = (float(judged["regret_1"].max()),) * 3
            found["rankers"].setdefault(name, {})[truth] = entry
    found["chance"] = chance_of(mine, [said[number][0] for number in numbers], targets)
    gains = np.concatenate([cell.gains for cell in mine])
    expected = np.concatenate([cell.expected for cell in mine])
    gain, low, high, risk = np.concatenate([said[number] for number in numbers], axis=1)
    sources = np.concatenate([cell.sources for cell in mine])
    per_row = np.repeat(targets, [len(cell.sources) for cell in mine])
    found["error_points"] = over_targets(100 * np.abs(gains - gain), per_row)
    found["coverage"] = over_targets(((low <= gains) & (gains <= high)).astype(float), per_row)
    found["half_width_points"] = float(50 * (high - low).mean())
    found["negative_share"] = float((gains < 0).mean())
    for name, truth in (("warning_auc", expected), ("warning_auc_per_draw", gains)):
        found[name] = float(roc_auc_score(truth < 0, risk)) if 0 < (truth < 0).mean() < 1 else None
    related = ~np.isin(sources, list(UNRELATED.values()))
    found["warning_auc_related_sources"] = (
        float(roc_auc_score(expected[related] < 0, risk[related])) if (expected[related] < 0).any() else None
    )
    found["scoring_cpu_seconds"] = float(np.mean([cell.scores["cpu_seconds"].sum() for cell in mine]))
    found["tuning_all_cpu_seconds"] = float(
        np.mean([cell.scores["source_tuning_cpu_seconds"].astype(float).sum() for cell in mine])
    )
    return found


def main() -> None:
    """Print the tables, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES, nargs="?", default="reviews")
    parser.add_argument("--frozen", action="store_true", help="predict from the bundled outcomes of the other families alone")
    parser.add_argument("--bundle", action="store_true", help="write the outcomes that come with Rootstock, of all families")
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    started = time.perf_counter()
    similarity = load_params(HERE.parent / "params.yaml").similarity
    metrics = similarity.metrics
    cells = read_cells(arguments.family, metrics)
    if arguments.bundle:
        bundle({family: outcomes_of(read_cells(family, metrics), family) for family in FAMILIES})
        return
    past = _of_other_families(arguments.family) if arguments.frozen else outcomes_of(cells, arguments.family)
    names = tuple(sorted({name for outcome in past for name, value in outcome.evidence.items() if value is not None}))
    said = predict(arguments.family, cells, past, names, leave_out=not arguments.frozen)
    informed = said if arguments.frozen else predict(arguments.family, cells, past, names, leave_out=True, own=True)
    trials = HERE / f"transfer_trials_{arguments.family}.csv"
    document = {
        "family": arguments.family,
        "figures": {str(rows): figures(cells, said, informed, rows) for rows in sorted({cell.rows for cell in cells})},
        "halving": race(cells, informed, pd.read_csv(trials, keep_default_na=False, dtype={"correct": str}), similarity.halving)
        if trials.is_file() and not arguments.frozen
        else None,
        "targets": TARGETS_AT_32,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }
    document["met"] = met(document["figures"]["32"])
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if all(document["met"].values()) else 1)


def _of_other_families(family: str) -> tuple[Outcome, ...]:
    """What would come with Rootstock if this family had never been measured."""
    return tuple(outcome for outcome in bundled_outcomes() if outcome.task != family)


def bundle(families: dict[str, tuple[Outcome, ...]]) -> None:
    """Write ``outcomes.csv``: of the evidence, what the advisor reads."""
    facts = [
        {"modality": MODALITIES[family]}
        | outcome.model_dump(exclude={"evidence", "predicted"})
        | {name: value for name, value in outcome.evidence.items() if name.endswith((STANDING, LEVEL))}
        for family, outcomes in families.items()
        for outcome in outcomes
    ]
    write_file(OUTCOMES_FILE, lambda temporary: pd.DataFrame(facts).to_csv(temporary, index=False, float_format="%.3g"))


def met(at_32: dict[str, Any]) -> dict[str, bool]:
    """Which targets the advisor reaches with 32 labelled rows."""
    mine = at_32["rankers"]["advisor"]["expected"]
    low, high = TARGETS_AT_32["coverage"]  # type: ignore[misc]
    return {
        "tau": mine["tau"][0] >= TARGETS_AT_32["tau"],
        "regret_1": mine["regret_1"][0] <= TARGETS_AT_32["regret_1"],
        "worst_regret_1": mine["worst_regret_1"][0] <= TARGETS_AT_32["worst_regret_1"],
        "warning_auc": (at_32["warning_auc"] or 0.0) >= TARGETS_AT_32["warning_auc"],
        "coverage": low <= at_32["coverage"][0] <= high,
    }


def table(document: dict[str, Any]) -> str:
    """The figures for people."""
    lines = []
    for rows, found in document["figures"].items():
        lines += [f"{document['family']}, {rows} labelled rows; means over targets [90% interval]"]
        lines += [f"  {'ranked by':<22}{'weighted tau':<24}{'regret@1, points':<24}{'worst':<8}{'regret@3':<20}"]
        for name, each in found["rankers"].items():
            entry = each["expected"]
            lines.append(
                f"  {name:<22}{_interval(entry['tau']):<24}{_interval(entry['regret_1']):<24}"
                f"{entry['worst_regret_1'][0]:<8.2f}{_interval(entry['regret_3']):<20}"
            )
        mine = found["rankers"]["advisor"]["gains"]
        lines.append(
            f"  against single draws: tau {_interval(mine['tau'])}, regret@1 {_interval(mine['regret_1'])}\n"
            f"  predicted gain: mean absolute error {_interval(found['error_points'])} points, "
            f"coverage {_interval(found['coverage'])} (half-width {found['half_width_points']:.1f} points)\n"
            f"  warning of negative transfer: AUC {_plain(found['warning_auc'])}, per draw "
            f"{_plain(found['warning_auc_per_draw'])}, related sources alone {_plain(found['warning_auc_related_sources'])}; "
            f"{found['negative_share']:.0%} of draws negative\n"
            f"  scoring takes {found['scoring_cpu_seconds']:.2f} CPU s a ranking, "
            f"{found['scoring_cpu_seconds'] / found['tuning_all_cpu_seconds']:.1%} of tuning on every source"
        )
        if chance := found["chance"]:
            lines.append(
                "  one half of the test rows, after every tuning, tells of the other: "
                f"tau {_interval(chance['tau'])}, regret@1 {_interval(chance['regret_1'])}\n"
                f"  the advisor's first against that of one half, both on the other: {_interval(chance['fair_regret_1'])} points"
            )
    if raced := document["halving"]:
        lines.append(
            f"successive halving of the advisor's best, {RACED_ROWS} rows: regret@1 {_interval(raced['regret_1'])}, "
            f"worst {raced['worst_regret_1']:.2f} ({_interval(raced['regret_1_unclear_too'])} if unclear winners counted); "
            f"{raced['clear']:.0%} of races clear; "
            f"{raced['share_of_tuning_all']:.1%} of tuning on every source"
        )
    lines.append(
        "targets at 32 rows: " + ", ".join(f"{name} {'met' if yes else 'not met'}" for name, yes in document["met"].items())
    )
    return "\n".join(lines)


def _interval(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.2f} [{values[1]:.2f}, {values[2]:.2f}]"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
