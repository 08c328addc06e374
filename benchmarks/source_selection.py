"""Does the advisor know what to learn from? Every target of a family is held out in turn.

Reads the tables that ``transfer_outcomes.py`` (accuracy after learning from each source), ``transfer_scores.py`` (similarity
metrics) and ``transfer_trials.py`` (short tunings) have made. For each target the advisor is calibrated on the other targets
alone: no outcome in which the target took part, as target or as source, is seen. "advisor, own history" counts those outcomes
as the team's own, so that a source which did better than it seemed on targets like this one is moved up; that is the advisor as a
team has it that has learned such targets, and by it the exit status says whether the targets of the figures are met. "Three
together" are three sources learned from at once (``transfer_joined.py``), those that the advisor of then put first, as one more
candidate. With ``--frozen`` the advisor has seen the other families alone, as with a task of a user's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from typing import Any

import pandas as pd
from ranking_figures import RACED_ROWS, control_of, figures, joined_figures, race
from rankings import HERE, as_advised, names_of, outcomes_of, predict, read_cells, with_joined
from rootstock.files import write_file
from rootstock.params import load_params
from rootstock.records import Outcome
from rootstock.similarity.evidence import JOINED_SOURCES, LEVEL, STANDING
from rootstock.similarity.outcomes import OUTCOMES_FILE, bundled_outcomes
from transfer_families import FAMILIES, MODALITIES

ADVISOR, INFORMED = "advisor", "advisor, own history"
TARGETS_AT_32 = {"tau": 0.75, "regret_1": 0.5, "worst_regret_1": 2.0, "warning_auc": 0.9, "coverage": (0.86, 0.94)}


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
        bundle({family: as_advised(outcomes_of(with_joined(family, read_cells(family, metrics)), family)) for family in FAMILIES})
        return
    past = _of_other_families(arguments.family) if arguments.frozen else outcomes_of(cells, arguments.family)
    names = names_of(past)
    said = predict(arguments.family, cells, past, names, leave_out=not arguments.frozen)
    informed = said if arguments.frozen else predict(arguments.family, cells, past, names, leave_out=True, own=True)
    extended = with_joined(arguments.family, cells)
    past = past if arguments.frozen else as_advised(outcomes_of(extended, arguments.family))
    together = predict(arguments.family, extended, past, names, leave_out=not arguments.frozen)
    together_informed = together if arguments.frozen else predict(arguments.family, extended, past, names, leave_out=True, own=True)
    trials = HERE / f"transfer_trials_{arguments.family}.csv"
    document = {
        "family": arguments.family,
        "figures": {
            str(rows): figures(cells, said, informed, rows)
            | {
                "joined": joined_figures(extended, together, together_informed, rows),
                "longer_points": control_of(arguments.family, cells, rows),
            }
            for rows in sorted({cell.rows for cell in cells})
        },
        "halving": race(cells, informed, pd.read_csv(trials, keep_default_na=False, dtype={"correct": str}), similarity.halving)
        if trials.is_file() and not arguments.frozen
        else None,
        "targets": TARGETS_AT_32,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }
    at_32 = document["figures"]["32"]
    document["met"] = met(at_32, INFORMED)
    document["met_by"] = {ranker: met(at_32, ranker) for ranker in (INFORMED, ADVISOR)} | {
        f"{ranker}, three together among the candidates": met(at_32["joined"], ranker)
        for ranker in (INFORMED, ADVISOR)
        if "rankers" in (at_32["joined"] or ())
    }
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
        | {name: value for name, value in outcome.evidence.items() if name.endswith((STANDING, LEVEL, JOINED_SOURCES))}
        for family, outcomes in families.items()
        for outcome in outcomes
    ]
    write_file(OUTCOMES_FILE, lambda temporary: pd.DataFrame(facts).to_csv(temporary, index=False, float_format="%.3g"))


def met(at_32: dict[str, Any], ranker: str) -> dict[str, bool]:
    """Which targets a ranker, the advisor or the one with a history of its own, reaches with 32 labelled rows."""
    mine = at_32["rankers"][ranker]["expected"]
    foretold = at_32 if ranker == ADVISOR else at_32["own_history"]
    low, high = TARGETS_AT_32["coverage"]  # type: ignore[misc]
    return {
        "tau": mine["tau"][0] >= TARGETS_AT_32["tau"],
        "regret_1": mine["regret_1"][0] <= TARGETS_AT_32["regret_1"],
        "worst_regret_1": mine["worst_regret_1"][0] <= TARGETS_AT_32["worst_regret_1"],
        "warning_auc": (foretold["warning_auc"] or 0.0) >= TARGETS_AT_32["warning_auc"],
        "coverage": low <= foretold["coverage"][0] <= high,
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
        for name, foretold in ((ADVISOR, found), (INFORMED, found["own_history"])):
            mine = found["rankers"][name]["gains"]
            lines.append(
                f"  {name}, against single draws: tau {_interval(mine['tau'])}, regret@1 {_interval(mine['regret_1'])}\n"
                f"    predicted gain: mean absolute error {_interval(foretold['error_points'])} points, "
                f"coverage {_interval(foretold['coverage'])} (half-width {foretold['half_width_points']:.1f} points)\n"
                f"    warning of negative transfer: AUC {_plain(foretold['warning_auc'])}, per draw "
                f"{_plain(foretold['warning_auc_per_draw'])}, related sources alone "
                f"{_plain(foretold['warning_auc_related_sources'])}"
            )
        lines.append(
            f"  {found['negative_share']:.0%} of draws are negative transfer; "
            f"scoring takes {found['scoring_cpu_seconds']:.2f} CPU s a ranking, "
            f"{found['scoring_cpu_seconds'] / found['tuning_all_cpu_seconds']:.1%} of tuning on every source"
        )
        if chance := found["chance"]:
            lines.append(
                "  one half of the test rows, after every tuning, tells of the other: "
                f"tau {_interval(chance['tau'])}, regret@1 {_interval(chance['regret_1'])}\n"
                f"  the advisor's first against that of one half, both on the other: {_interval(chance['fair_regret_1'])} points"
            )
        lines += _joined_lines(found)
    if raced := document["halving"]:
        lines.append(
            f"successive halving of the advisor's best, {RACED_ROWS} rows: regret@1 {_interval(raced['regret_1'])}, "
            f"worst {raced['worst_regret_1']:.2f} ({_interval(raced['regret_1_unclear_too'])} if unclear winners counted); "
            f"{raced['clear']:.0%} of races clear; "
            f"{raced['share_of_tuning_all']:.1%} of tuning on every source"
        )
    for ranker, reached in document["met_by"].items():
        said = ", ".join(f"{name} {'met' if yes else 'not met'}" for name, yes in reached.items())
        lines.append(f"targets at 32 rows, {ranker}: {said}")
    return "\n".join(lines)


def _joined_lines(found: dict[str, Any]) -> list[str]:
    joined = found["joined"]
    if joined is None:
        return []
    over_first, over_best = (_interval(joined[key]) for key in ("over_first_points", "over_best_points"))
    lines = [f"  three together: {over_first} points over the advisor's first, {over_best} over the best single source"]
    if "rankers" not in joined:
        return [*lines, "    the advisor does not join them, as their classes differ"]
    if found["longer_points"]:
        lines.append(
            f"  the advisor's first alone, for as many steps: {_interval(found['longer_points'])} points more than for its own"
        )
    lines.append(f"  with three together among the candidates (chosen in {joined['taken']:.0%} of rankings)")
    for name in (ADVISOR, INFORMED):
        entry = joined["rankers"][name]["expected"]
        tau, first, three = (_interval(entry[key]) for key in ("tau", "regret_1", "regret_3"))
        lines.append(f"    {name:<22}tau {tau}, regret@1 {first}, worst {entry['worst_regret_1'][0]:.2f}, regret@3 {three}")
    error, coverage = (_interval(joined[key]) for key in ("own_error_points", "own_coverage"))
    lines.append(f"    predicted gain of three together: mean absolute error {error} points, coverage {coverage}")
    lines.append(
        f"    the choice against the best single source: {_interval(joined['chosen_over_best_points'])} points, worst "
        f"{joined['worst_chosen_over_best_points']:.2f}; coverage {_interval(joined['coverage'])}, warning AUC "
        f"{_plain(joined['warning_auc'])}"
    )
    return lines


def _interval(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.2f} [{values[1]:.2f}, {values[2]:.2f}]"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
