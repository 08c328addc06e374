"""The model's accuracy in each slice of the test rows that the evaluation kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rootstock.groups import design_effect, group_numbers
from rootstock.records import SLICE, EvalReport
from rootstock.report.predictions import MODEL


@dataclass(frozen=True)
class SliceAccuracy:
    """Rows that have one value in a kept column."""

    column: str
    value: str
    rows: int
    accuracy: float
    low: float
    """of a 95 % Wilson interval, as for ``rows`` / variance inflation independent rows"""
    high: float


def slice_accuracies(report: EvalReport) -> tuple[SliceAccuracy, ...]:
    """Of every value of every slice column, the least accurate first in each; empty where there is none or the file is gone."""
    import pandas as pd
    from statsmodels.stats.proportion import proportion_confint

    path = Path(report.predictions.path)
    if not path.is_file():
        return ()
    frame = pd.read_parquet(path)
    right = frame[f"predicted:{MODEL}"].astype(str) == frame["label"].astype(str)
    groups = group_numbers(frame)
    found = []
    for name in (column for column in frame.columns if column.startswith(SLICE)):
        for given, held in right.groupby(frame[name].astype(str)):
            mine = None if groups is None else groups[held.index]
            inflation = report.variance_inflation * design_effect(held.to_numpy().astype(float), mine)
            low, high = proportion_confint(held.sum() / inflation, len(held) / inflation, alpha=0.05, method="wilson")
            found.append(
                SliceAccuracy(name.removeprefix(SLICE), str(given), len(held), float(held.mean()), float(low), float(high))
            )
    return tuple(sorted(found, key=lambda each: (each.column, each.accuracy, each.value)))
