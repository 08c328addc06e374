"""The confusion matrix, as shares of each true class and as the pairs most often confused."""

from __future__ import annotations

from dataclasses import dataclass

from rootstock.records import EvalReport

#: With more classes only the pairs are shown: a larger matrix is unreadable.
MATRIX_CLASSES = 30


@dataclass(frozen=True)
class Cell:
    """Rows of one true class given one answer."""

    rows: int
    share: float
    """of the true class"""


@dataclass(frozen=True)
class Pair:
    """A confusion."""

    label: str
    predicted: str
    rows: int
    share: float


def matrix(report: EvalReport) -> tuple[tuple[Cell, ...], ...]:
    """(c, c) cells, rows are the true class; empty above MATRIX_CLASSES classes."""
    if len(report.labels) > MATRIX_CLASSES:
        return ()
    return tuple(tuple(Cell(rows, rows / max(sum(line), 1)) for rows in line) for line in report.confusion)


def confused_pairs(report: EvalReport, *, most: int) -> tuple[Pair, ...]:
    """The commonest confusions, most rows first."""
    pairs = [
        Pair(report.labels[i], report.labels[j], rows, rows / max(sum(line), 1))
        for i, line in enumerate(report.confusion)
        for j, rows in enumerate(line)
        if i != j and rows
    ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.rows, pair.label, pair.predicted))[:most])
