"""The outcomes that come with Rootstock: what was measured on public data sets, figures only."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from rootstock.records import Measure, Outcome, sources_of

OUTCOMES_FILE = Path(__file__).with_name("outcomes.csv")

#: Columns that are no evidence.
FACTS = ("modality", "task", "target", "source", "backbone", "labelled_rows", "classes", "predicted", "realised")


@cache
def _table() -> tuple[dict[str, str], ...]:
    with OUTCOMES_FILE.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


@cache
def bundled_outcomes() -> tuple[Outcome, ...]:
    """Every row of ``outcomes.csv``."""
    return tuple(read_outcome(row) for row in _table())


def kindred_tasks(modality: str) -> frozenset[str]:
    """Bundled tasks of the modality."""
    return frozenset(row["task"] for row in _table() if row["modality"] == modality)


def read_outcome(row: dict[str, str]) -> Outcome:
    """An outcome from the cells of its row; an empty one is no score."""
    evidence = {name: float(cell) if cell else None for name, cell in row.items() if name not in FACTS}
    return Outcome(
        task=row["task"], target=row["target"], source=row["source"], backbone=row["backbone"],
        labelled_rows=int(row["labelled_rows"]), classes=int(row["classes"]), evidence=evidence,
        predicted=float(row["predicted"]) if row.get("predicted") else None, realised=float(row["realised"]),
    )  # fmt: skip


def static_prior(outcomes: tuple[Outcome, ...], source: str, *, confidence: float) -> Measure | None:
    """Mean gain of a source so far, whatever the target, with Student's interval; None where it was never used.

    Several together are the same in whatever order. With one outcome alone there is no spread: the interval is then unbounded, from
    -1 to 1.
    """
    import numpy as np
    from scipy.stats import t

    gains = np.array([outcome.realised for outcome in outcomes if set(sources_of(outcome.source)) == set(sources_of(source))])
    if not len(gains):
        return None
    mean, low, high = float(gains.mean()), -1.0, 1.0
    if len(gains) > 1:
        half = float(t.ppf((1 + confidence) / 2, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
        low, high = max(mean - half, -1.0), min(mean + half, 1.0)
    return Measure(value=mean, low=low, high=high, n=len(gains), unit="accuracy", higher_is_better=True)
