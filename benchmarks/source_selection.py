"""Does the advisor know what to learn from? Every target of a family is held out in turn.

Reads the tables that ``transfer_outcomes.py`` (accuracy after learning from each source), ``transfer_scores.py`` (similarity
metrics) and ``transfer_trials.py`` (short tunings) have made. For each target the advisor is calibrated on the other targets
alone: no outcome in which the target took part, as target or as source, is seen. Its exit status says whether the figures asked for
are met by the advisor that also knows what each source was worth on the other targets: "every outcome known", as if every source
had been learned from for every one of them. "One a run known" is what a team's runs keep: of each of the other targets, what came
of the source that was put first. "Three together" are three sources learned from at once (``transfer_joined.py``), those that the
advisor of then put first, as one more candidate.

With ``--frozen`` the advisor has seen the other families alone, as with a task of a user's; with ``--shipped`` the family's other
targets beside them, as in the outcomes that come with Rootstock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from functools import partial
from typing import Any

import pandas as pd
from ranking_figures import RACED_ROWS, control_of, figures, joined_figures, race
from rankings import HERE, Cell, as_advised, names_of, one_a_run, outcomes_of, predict, read_cells, with_joined
from rootstock.files import write_file
from rootstock.params import load_params
from rootstock.records import Outcome
from rootstock.similarity.evidence import JOINED_SOURCES, LEVEL, STANDING
from rootstock.similarity.outcomes import OUTCOMES_FILE, bundled_outcomes
from transfer_families import FAMILIES, MODALITIES

ADVISOR, USUAL, INFORMED = "advisor", "one a run known", "every outcome known"
TARGETS_AT_32 = {"tau": 0.75, "regret_1": 0.5, "worst_regret_1": 2.0, "warning_auc": 0.9, "coverage": (0.86, 0.94)}


def main() -> None:
    """Print the tables, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", choices=FAMILIES, nargs="?", default="reviews")
    calibrated = parser.add_mutually_exclusive_group()
    calibrated.add_argument("--frozen", action="store_true", help="predict from the bundled outcomes of the other families alone")
    calibrated.add_argument("--shipped", action="store_true", help="predict from all bundled outcomes but the target's")
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
    past = None if not (arguments.frozen or arguments.shipped) else _bundled(arguments.family if arguments.frozen else None)
    extended = with_joined(arguments.family, cells)
    single, together = advised(arguments.family, cells, past), advised(arguments.family, extended, past)
    trials = HERE / f"transfer_trials_{arguments.family}.csv"
    document = {
        "family": arguments.family,
        "figures": {
            str(rows): figures(cells, single, rows, best=INFORMED)
            | {
                "joined": joined_figures(extended, together, rows, plain=ADVISOR, best=INFORMED),
                "longer_points": control_of(arguments.family, cells, rows),
            }
            for rows in sorted({cell.rows for cell in cells})
        },
        "halving": race(
            cells, single[INFORMED], pd.read_csv(trials, keep_default_na=False, dtype={"correct": str}), similarity.halving
        )
        if trials.is_file() and past is None
        else None,
        "targets": TARGETS_AT_32,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": round(time.perf_counter() - started, 1),
    }
    at_32 = document["figures"]["32"]
    document["met"] = met(at_32, INFORMED)
    document["met_by"] = {ranker: met(at_32, ranker) for ranker in single} | {
        f"{ranker}, three together among the candidates": met(at_32["joined"], ranker)
        for ranker in single
        if "rankers" in (at_32["joined"] or ())
    }
    print(json.dumps(document, indent=2) if arguments.as_json else table(document))
    sys.exit(0 if all(document["met"].values()) else 1)


def advised(family: str, cells: list[Cell], past: tuple[Outcome, ...] | None) -> dict[str, dict[int, Any]]:
    """What advisors calibrated on the ``past``, or on the cells themselves, say, by how much each knows of the other targets."""
    mine = as_advised(outcomes_of(cells, family))
    ask = partial(predict, family, cells, past or mine, names_of(past or mine), leave_out=True, kindred=past is not None)
    plain = ask()
    return {ADVISOR: plain, USUAL: ask(own=one_a_run(cells, plain, family)), INFORMED: ask(own=mine)}


def _bundled(without: str | None) -> tuple[Outcome, ...]:
    """What comes with Rootstock, or would if a family had never been measured."""
    return tuple(outcome for outcome in bundled_outcomes() if outcome.task != without)


def bundle(families: dict[str, tuple[Outcome, ...]]) -> None:
    """Write ``outcomes.csv``: of the evidence, what the advisor reads."""
    facts = [
        {"modality": MODALITIES[family]}
        | outcome.model_dump(exclude={"evidence", "predicted", "standard_error"})
        | {name: value for name, value in outcome.evidence.items() if name.endswith((STANDING, LEVEL, JOINED_SOURCES))}
        for family, outcomes in families.items()
        for outcome in outcomes
    ]
    write_file(OUTCOMES_FILE, lambda temporary: pd.DataFrame(facts).to_csv(temporary, index=False, float_format="%.3g"))


def met(at_32: dict[str, Any], ranker: str) -> dict[str, bool]:
    """Which of the figures asked for an advisor reaches with 32 labelled rows."""
    mine = at_32["rankers"][ranker]["expected"]
    foretold = at_32["foretold"][ranker]
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
        for name, foretold in found["foretold"].items():
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
    for name in joined["foretold"]:
        entry = joined["rankers"][name]["expected"]
        tau, first, three = (_interval(entry[key]) for key in ("tau", "regret_1", "regret_3"))
        lines.append(f"    {name:<22}tau {tau}, regret@1 {first}, worst {entry['worst_regret_1'][0]:.2f}, regret@3 {three}")
    error, coverage = (_interval(joined[key]) for key in ("own_error_points", "own_coverage"))
    lines.append(f"    predicted gain of three together: mean absolute error {error} points, coverage {coverage}")
    foretold = joined["foretold"][ADVISOR]
    lines.append(
        f"    the choice against the best single source: {_interval(joined['chosen_over_best_points'])} points, worst "
        f"{joined['worst_chosen_over_best_points']:.2f}; coverage {_interval(foretold['coverage'])}, warning AUC "
        f"{_plain(foretold['warning_auc'])}"
    )
    return lines


def _interval(values: tuple[float, float, float]) -> str:
    return f"{values[0]:.2f} [{values[1]:.2f}, {values[2]:.2f}]"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
