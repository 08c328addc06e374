"""One window of the monitoring loop, as the timeline shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from rootstock.records import DriftReport, DriftResult, Measure, RetrainDecision

WindowDecision = Literal["quiet", "alarm", "retrain", "promoted"]


@dataclass(frozen=True, kw_only=True)
class WindowLine:
    """What was seen in one window and what was done."""

    label: str
    """name of the window, such as a date"""
    rows: int
    champion: str
    """version that answered in this window"""
    results: tuple[DriftResult, ...]
    drifted: bool
    decision: WindowDecision
    """``alarm`` is drift without retraining, ``promoted`` is a retraining whose model became champion"""
    reason: str
    promoted: str | None
    """the version promoted after this window"""
    accuracy: Measure | None
    """of the champion in this window, where labels are known"""

    @classmethod
    def from_records(
        cls, report: DriftReport, decision: RetrainDecision, *, promoted: str | None = None, accuracy: Measure | None = None
    ) -> Self:
        """Line of a window from its records; ``promoted`` is the version that the retraining brought to production."""
        if promoted is not None:
            said: WindowDecision = "promoted"
        elif decision.retrain:
            said = "retrain"
        else:
            said = "alarm" if report.drifted else "quiet"
        return cls(
            label=report.window,
            rows=report.rows,
            champion=report.version,
            results=report.results,
            drifted=report.drifted,
            decision=said,
            reason=decision.reason,
            promoted=promoted,
            accuracy=accuracy,
        )

    @property
    def strongest(self) -> DriftResult | None:
        """The drifted result, or if none the result, with the largest effect for its floor."""
        return max(self.results, key=lambda result: (result.drifted, effect_ratio(result)), default=None)


def effect_ratio(result: DriftResult) -> float:
    """Effect in multiples of the floor under which no drift is called; tests of different units compare so."""
    return result.effect / result.effect_floor if result.effect_floor > 0 else 0.0
