"""Whether a run that was gone through again gave the same answers."""

from __future__ import annotations

from pathlib import Path

from rootstock.errors import DataError
from rootstock.paired import pair_of, score_interval
from rootstock.records import Artifact, Measure, Value

COLUMNS = ["id", "label", "predicted:model", "probability:model"]
SHOWN_ROWS = 20


class SameAnswers(Value):
    """Two models' answers to the same test rows: those that were judged, and those of the run again."""

    rows: int
    differing: int
    """rows with another label"""
    differing_rows: tuple[str, ...]
    """ids of up to 20 of them"""
    difference: Measure
    """accuracy of the run again less that of the one before, paired"""
    largest_shift: float
    """largest difference of the probability of a label that both gave"""

    @property
    def identical(self) -> bool:
        """Whether every row has the same label."""
        return not self.differing

    @property
    def within(self) -> bool:
        """Whether the interval of the difference in accuracy holds nought."""
        return self.difference.low <= 0 <= self.difference.high


def compare_answers(before: Artifact, again: Artifact, *, confidence: float) -> SameAnswers:
    """Compare ``predicted:model`` row by row.

    Raises DataError if the earlier predictions are no longer as they were recorded, or the two are not of the same rows.
    """
    import numpy as np
    import pandas as pd

    if reason := before.damage():
        raise DataError(f"expected the predictions that were judged, but {reason}; restore them from a backup")
    first, second = (pd.read_parquet(Path(each.path), columns=COLUMNS).set_index("id") for each in (before, again))
    if set(first.index) != set(second.index):
        missing = sorted(set(first.index) ^ set(second.index))[:5]
        raise DataError(f"{again.path}: expected the {len(first)} rows of {before.path}, found others: {', '.join(missing)}")
    second = second.loc[first.index]
    labels, then, now = (column.astype(str).to_numpy() for column in (first["label"], first[COLUMNS[2]], second[COLUMNS[2]]))
    pair = pair_of(now == labels, then == labels)
    low, high = score_interval(pair, confidence=confidence)
    same = then == now
    shift = np.abs(first[COLUMNS[3]].to_numpy(dtype=np.float64) - second[COLUMNS[3]].to_numpy(dtype=np.float64))[same]
    return SameAnswers(
        rows=len(first),
        differing=int((~same).sum()),
        differing_rows=tuple(map(str, first.index[~same][:SHOWN_ROWS])),
        difference=Measure(value=pair.difference, low=low, high=high, n=pair.n, unit="share", higher_is_better=True),
        largest_shift=float(shift.max(initial=0.0)),
    )
