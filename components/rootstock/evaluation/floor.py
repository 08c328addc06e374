"""Is the model good enough for anyone?"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from rootstock.paired import more_rows
from rootstock.part import Gate
from rootstock.power import detectable_by
from rootstock.records import Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.part import Sample
    from rootstock.records import EvalReport, Measure

#: Below this many rows bootstrap limits are not to be trusted, and the verdict is "inconclusive".
FEWEST_ROWS = 30
#: Of an interval at 95%, on either side.
TAIL = 0.025


class Floor(Gate):
    """A measure of the model is at least as good as ``at_least``, whatever else there is to choose from.

    Pass when the whole confidence interval (``evaluation.confidence``) is on the good side of the floor, fail when the whole of it
    is on the other, inconclusive between, and with fewer than 30 rows. For a measure that is better when lower (log loss,
    Brier score, calibration error) ``at_least`` is the most it may be. Error rate: with 95% intervals a model truly below the floor
    passes, and one truly above it fails, with a probability of 2.5% at most (the interval's coverage is approximate).
    """

    name: Literal["floor"] = "floor"
    measure: Literal["accuracy", "macro_f1", "log_loss", "brier", "calibration_error"]
    at_least: float

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        found = report.measures[self.measure]
        sign = 1 if found.higher_is_better else -1
        worst, best = sorted((sign * found.low, sign * found.high))
        required = f"{self.measure} {'at least' if sign > 0 else 'at most'} {self.at_least:g}"
        observed = f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}, {found.n} rows)"
        verdict: Verdict = "inconclusive"
        if found.n < FEWEST_ROWS:
            reason = f"{found.n} tested rows are too few to tell; about {FEWEST_ROWS - found.n} more would be a beginning"
        elif worst >= sign * self.at_least:
            verdict, reason = "pass", f"{self.measure} {observed} reaches {self.at_least:g}"
        elif best < sign * self.at_least:
            verdict, reason = "fail", f"{self.measure} {observed} does not reach {self.at_least:g}"
        else:
            reason = f"{self.measure} {observed} is too near {self.at_least:g}; {more_rows(self._rows_needed(found), found.n)}"
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """For accuracy, with intervals at 95%: how far above the floor a model has to be. Of other measures too little is known."""
        if self.measure != "accuracy":
            return ()

        def power(n: int, distance: float) -> float:
            spread = math.sqrt(max(sample.accuracy * (1 - sample.accuracy), 1e-9) / n)
            return NormalDist().cdf(distance / spread - NormalDist().inv_cdf(1 - TAIL)) if n >= FEWEST_ROWS else 0.0

        return (
            detectable_by(
                power,
                gate=self.name,
                question=f"an accuracy above {self.at_least:g} that is shown, by how much",
                rows=sample.rows,
                level=TAIL,
                wanted=wanted,
            ),
        )

    def _rows_needed(self, found: Measure) -> int | None:
        """Rows at which the interval, which narrows with the square root of their number, would clear the floor."""
        distance = abs(found.value - self.at_least)
        half = found.value - found.low if found.value > self.at_least else found.high - found.value
        return math.ceil(found.n * (half / distance) ** 2) if distance > 1e-9 else None
