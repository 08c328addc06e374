"""What the gates could tell with the target's test rows, before a model is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data import registry
from rootstock.data.prepare import split_target
from rootstock.data.rows import label_counts
from rootstock.data.split import TEST, TRAIN
from rootstock.errors import InputError
from rootstock.evaluation.looks import count_looks
from rootstock.evaluation.row_slices import columns_of_slices
from rootstock.groups import group_numbers
from rootstock.paired import pair_of
from rootstock.params import Params
from rootstock.part import Sample
from rootstock.records import GROUP, NO_TRANSFER, SLICE, Detectable, EvalReport, Incumbent, Looks

from rootstock_flows.replay import past_runs

if TYPE_CHECKING:
    import pandas as pd

#: Assumed where no run has measured anything yet.
ACCURACY, DISCORDANCE = 0.8, 0.1


@dataclass(frozen=True)
class Expected:
    """What two models on the test rows are taken to be like."""

    accuracy: float
    discordance: float
    source: str
    """where that comes from, for people"""
    design_effect: float = 1.0
    """of rows that have groups"""


def make_power(params: Params, *, wanted: float | None, accuracy: float | None, discordance: float | None) -> dict[str, Any]:
    """For each gate of the panel what the test rows can show, and the rows that ``wanted`` would take.

    Rows and slices are those of the target's revision as a run would cut them. Raises InputError where the params ask for no gates.
    """
    if params.gates is None:
        raise InputError("gates: expected a panel, found none: every model is promoted, whatever the rows can show")
    revision = registry.resolve(Path(params.data.registry), params.data.target, params.data.revision)
    rows, splits = split_target(Path(params.data.registry), revision, data=params.data, seed=params.seed)
    tested = TRAIN if params.data.test_fraction is None else TEST
    test = rows[[split == tested and bool(label) for split, label in zip(splits, rows["label"], strict=True)]]
    if test.empty:
        raise InputError(f"{revision.revision}: expected rows to test on, found none; add some with 'rootstock data add'")
    expected = _expected(params.workspace, accuracy=accuracy, discordance=discordance)
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    looks = count_looks(nobody, gates=params.gates, registration=params.registration, workspace=params.workspace, run_key="")
    effect = expected.design_effect if GROUP in test else 1.0
    inflation = effect * (_inflation(params) if tested == TRAIN else 1.0)
    sample = Sample(
        rows=round(len(test) / inflation),
        class_rows=_fewer(label_counts(test), inflation),
        slice_rows={column: _fewer(rows, inflation) for column, rows in _slice_rows(test, params).items()},
        accuracy=expected.accuracy,
        discordance=expected.discordance,
    )
    found = {gate.name: gate.detectable(sample, level=looks.level, wanted=wanted) for gate in params.gates.panel}
    return {
        "task": params.task,
        "revision": revision.revision,
        "rows": len(test),
        "variance_inflation": inflation,
        "groups": test[GROUP].nunique() if GROUP in test else None,
        "design_effect": effect,
        "expected": {"accuracy": expected.accuracy, "discordance": expected.discordance, "source": expected.source},
        "looks": looks.model_dump(mode="json"),
        "gates": [_more(each, inflation).model_dump(mode="json") for detectables in found.values() for each in detectables],
        "silent": [name for name, detectables in found.items() if not detectables],
    }


def _inflation(params: Params) -> float:
    """Of the variance of a mean over rows predicted out of fold, as the evaluation will take it (Nadeau and Bengio 2003)."""
    return 1 + params.evaluation.folds / (params.evaluation.folds - 1)


def _fewer(rows: Mapping[str, int], inflation: float) -> dict[str, int]:
    return {name: round(count / inflation) for name, count in rows.items()}


def _more(found: Detectable, inflation: float) -> Detectable:
    """In rows as they are labelled, where the gate spoke of independent ones."""
    needed = math.ceil(found.rows_needed * inflation) if found.rows_needed is not None else None
    return found.model_copy(update={"rows": round(found.rows * inflation), "rows_needed": needed})


def _slice_rows(test: pd.DataFrame, params: Params) -> dict[str, dict[str, int]]:
    """Column -> value -> rows, as the evaluation will cut them."""
    slices = columns_of_slices(test, modality=params.data.modality.name)
    return {
        name.removeprefix(SLICE): {str(value): int(count) for value, count in slices[name].value_counts().items()}
        for name in slices.columns
    }


def _expected(workspace: str, *, accuracy: float | None, discordance: float | None) -> Expected:
    """As the newest run measured it: with the champion where there was one, else with the rung without transfer."""
    import pandas as pd

    found = Expected(ACCURACY, DISCORDANCE, "assumed, as there is no run to tell")
    for run in sorted(past_runs(workspace), key=lambda run: run.when, reverse=True):
        if run.report is None or run.report.predictions.damage():
            continue
        rows = pd.read_parquet(run.report.predictions.path)
        rivals = [name for name in _rivals(run.report) if f"predicted:{name}" in rows]
        if not rivals:
            continue
        asked = rows[rows[f"predicted:{rivals[0]}"].notna()]
        right = [(asked[f"predicted:{name}"] == asked["label"]).to_numpy() for name in ("model", rivals[0])]
        effect = pair_of(right[0], right[1], groups=group_numbers(asked)).inflation
        shown = "the champion" if rivals[0] == "champion" else rivals[0]
        source = f"the newest run, {run.when[:10]}: its model and {shown}"
        found = Expected(float(right[0].mean()), float((right[0] != right[1]).mean()), source, effect)
        break
    if accuracy is not None or discordance is not None:
        given = accuracy if accuracy is not None else found.accuracy, discordance if discordance is not None else found.discordance
        return Expected(*given, "as given", found.design_effect)
    return found


def _rivals(report: EvalReport) -> list[str]:
    champion = ["champion"] if report.champion is not None and report.champion.measures else []
    return champion + [scored.name for scored in report.baselines if scored.name == NO_TRANSFER]


def power_text(found: Mapping[str, Any]) -> str:
    """The table for people."""
    looks, expected = Looks.model_validate(found["looks"]), found["expected"]
    gates = [Detectable.model_validate(each) for each in found["gates"]]
    rows = [("gate", "what can be shown", "level", "with these rows", "asked", "rows needed"), *map(_cells, gates)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    spent = f"; none is left until {looks.frees}" if looks.frees else f", {looks.spent} spent: level {looks.level:.2g}"
    lines = [
        f"{found['revision']}: {found['rows']:,} rows to test on; {looks.looks} looks a year share alpha {looks.alpha:g}{spent}",
        f"expected: accuracy {expected['accuracy']:.3f}, two models differ in being right on {expected['discordance']:.1%} of rows "
        f"({expected['source']})",
        *("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows),
        "Differences are found, and rows are enough, with a chance of 80%.",
    ]
    if found["silent"]:
        lines.append(f"Not a matter of rows, or not known before a run: {', '.join(found['silent'])}.")
    effect = found["design_effect"]
    if found["groups"] is not None:
        known = (
            f"{effect:.2f} of them counted for one in the newest run" if effect > 1 else "what they have in common a run will tell"
        )
        lines.append(f"The rows are of {found['groups']:,} groups and hang together: {known}.")
    if (folds := found["variance_inflation"] / effect) > 1:
        lines.append(f"Rows predicted out of fold hang together: {folds:.2f} of them count for one.")
    return "\n".join(lines)


def _cells(found: Detectable) -> Sequence[str]:
    wanted = f"{found.wanted:g}" if found.wanted is not None else "-"
    needed = "-" if found.wanted is None else f"{found.rows_needed:,}" if found.rows_needed is not None else "over 100 million"
    smallest = f"{found.smallest:.3f}" if found.smallest < 1 else "nothing"
    return found.gate, found.question, f"{found.level:.2g}", smallest, wanted, needed
