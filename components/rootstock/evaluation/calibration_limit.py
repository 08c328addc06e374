"""Do the model's probabilities mean what they say?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError
from rootstock.paired import more_rows
from rootstock.part import Gate
from rootstock.records import GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import EvalReport, Measure

#: Below this many rows bootstrap limits are not to be trusted, and the verdict is "inconclusive".
FEWEST_ROWS = 30


class Calibration(Gate):
    """The model's calibration error and its Brier score are at most so large; null sets no limit on one.

    The expected calibration error (C. Guo et al., 2017) is the mean gap between stated probability and share right, 0 to 1. The
    Brier score (G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950) is the
    mean squared distance between the stated probabilities and the truth, 0 to 2: it also counts how much is known.

    Pass when the whole interval (``evaluation.confidence``) of each is at or below its limit, fail when the whole of one is above,
    inconclusive between, and with fewer than 30 rows. Error rate: with 95% intervals a model that is truly above a limit passes,
    and one truly below fails, with a probability of about 2.5% at most a limit.
    """

    name: Literal["calibration"] = "calibration"
    calibration_error: Annotated[float, Field(gt=0, le=1)] | None
    brier: Annotated[float, Field(gt=0, le=2)] | None

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        limits = {"calibration_error": self.calibration_error, "brier": self.brier}
        asked = {name: limit for name, limit in limits.items() if limit is not None}
        if missing := [name for name in asked if name not in report.measures]:
            raise DataError(f"gate {self.name}: expected the measure {missing[0]}, found none; run the evaluate stage again")
        required = "; ".join(f"{name} at most {limit:g}" for name, limit in asked.items()) or "no limit"
        answers = [self._judge(name, report.measures[name], limit) for name, limit in asked.items()]
        verdicts = [verdict for verdict, _ in answers]
        verdict: Verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
        return GateResult(
            gate=self.name,
            verdict=verdict,
            observed="; ".join(f"{name} {_shown(report.measures[name])}" for name in asked) or "not asked",
            required=required,
            reason="; ".join(reason for found, reason in answers if found == verdict) or "the params set no limit",
        )

    def _judge(self, name: str, found: Measure, limit: float) -> tuple[Verdict, str]:
        said = f"{name} {_shown(found)}"
        if found.n < FEWEST_ROWS:
            return (
                "inconclusive",
                f"{found.n} tested rows are too few to tell; about {FEWEST_ROWS - found.n} more would be a beginning",
            )
        if found.high <= limit:
            return "pass", f"{said} is at most {limit:g}"
        if found.low > limit:
            return "fail", f"{said} is above {limit:g}: stated probabilities are not to be relied on"
        half = found.high - found.value if found.value <= limit else found.value - found.low
        distance = abs(found.value - limit)
        needed = math.ceil(found.n * (half / distance) ** 2) if distance > 1e-9 else None
        return "inconclusive", f"{said} is too near {limit:g}; {more_rows(needed, found.n)}"


def _shown(found: Measure) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}, {found.n} rows)"
