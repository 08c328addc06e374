"""The heat map of scores: every candidate by every metric, shaded by how far it stands from the metric's mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rootstock.records import Candidate
from rootstock.report.wording import plain

#: Standard deviations at which the shade is full.
FULL = 2.0


@dataclass(frozen=True)
class HeatCell:
    """One score."""

    score: float | None
    """None where the metric is not defined for the candidate"""
    standardised: float | None
    """deviations from the mean of the metric over the candidates that may be chosen"""
    text: str
    """the score with as many decimals as any other of its column"""

    @property
    def shade(self) -> int:
        """Per cent of the full shade."""
        return round(100 * min(abs(self.standardised or 0.0), FULL) / FULL)

    @property
    def side(self) -> str:
        """``above`` or ``below`` the mean; empty without a score."""
        if self.standardised is None:
            return ""
        return "below" if self.standardised < 0 else "above"


@dataclass(frozen=True)
class HeatRow:
    """One candidate's scores, in the order of the metrics."""

    candidate: Candidate
    cells: tuple[HeatCell, ...]


def heat_rows(candidates: Sequence[Candidate], metrics: Sequence[str]) -> tuple[HeatRow, ...]:
    """Rows of all candidates that have a score, in the order given; excluded ones take no part in mean and deviation."""
    spreads = [_spread(candidates, name) for name in metrics]
    decimals = [max((_decimals(_score(each, name)) for each in candidates), default=0) for name in metrics]
    rows = []
    for each in candidates:
        scores = [_score(each, name) for name in metrics]
        if any(score is not None for score in scores):
            columns = zip(scores, spreads, decimals, strict=True)
            cells = tuple(HeatCell(score, _standardised(score, spread), _text(score, digits)) for score, spread, digits in columns)
            rows.append(HeatRow(each, cells))
    return tuple(rows)


def _decimals(score: float | None) -> int:
    text = "" if score is None else plain(score)
    return 0 if "e" in text else len(text.partition(".")[2])


def _text(score: float | None, decimals: int) -> str:
    if score is None:
        return "\N{EN DASH}"
    text = plain(score)
    if "e" in text:
        return text
    return text + ("" if "." in text or not decimals else ".") + "0" * (decimals - _decimals(score))


def _score(candidate: Candidate, metric: str) -> float | None:
    score = candidate.scores.get(metric)
    return score if score is not None and math.isfinite(score) else None


def _spread(candidates: Sequence[Candidate], metric: str) -> tuple[float, float] | None:
    scores = [score for each in candidates if each.excluded is None and (score := _score(each, metric)) is not None]
    if not scores:
        return None
    mean = math.fsum(scores) / len(scores)
    return mean, math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / len(scores))


def _standardised(score: float | None, spread: tuple[float, float] | None) -> float | None:
    if score is None or spread is None:
        return None
    mean, deviation = spread
    # Equal scores differ from their mean by rounding alone.
    return (score - mean) / deviation if deviation > 1e-9 * max(abs(mean), 1.0) else 0.0
