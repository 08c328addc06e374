"""Is what stands in production at least not better?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.paired import more_rows, pair_of, rows_to_exclude, score_interval
from rootstock.part import Gate
from rootstock.records import GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.records import EvalReport


class NotWorseThanChampion(Gate):
    """The model's accuracy is not lower than the champion's by ``margin`` or more, on the same test rows.

    A paired non-inferiority test: pass when the one-sided lower limit of the difference (Tango's score interval at level ``alpha``)
    is above -``margin``, fail when the upper limit is below -``margin``, inconclusive between. Without a champion it passes; with
    one that cannot be compared (no label in common, another modality) it is inconclusive, and a person has to decide.

    Error rate: a model that is in truth worse by ``margin`` or more passes with a probability of about ``alpha`` at most; one that
    is equal is passed the more often the more rows there are. Many small steps down, each within the margin, are not this gate's to
    see: better_than_baselines, whose rungs are fitted anew each time, bounds their sum, and so does the floor.
    """

    name: Literal["not_worse_than_champion"] = "not_worse_than_champion"
    margin: Annotated[float, Field(gt=0, lt=1)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]

    def decide(self, report: EvalReport, rows: pd.DataFrame) -> GateResult:
        required = f"accuracy within {self.margin:g} of the champion's (alpha {self.alpha:g})"
        if report.champion is None:
            return self._result("pass", "no champion", required, "there is no champion yet, so nothing can become worse")
        asked = rows[rows["predicted:champion"].notna()]
        if asked.empty:
            reason = f"the champion cannot be compared: {report.champion.note}; promote by hand if that is intended"
            return self._result("inconclusive", "no rows in common", required, reason)
        label = asked["label"].to_numpy()
        pair = pair_of(asked["predicted:model"].to_numpy() == label, asked["predicted:champion"].to_numpy() == label)
        low, high = score_interval(pair, confidence=1 - 2 * self.alpha)
        observed = f"{pair.difference:+.3f} ({low:+.3f} to {high:+.3f}, {pair.n} rows)"
        if low > -self.margin:
            return self._result("pass", observed, required, f"not worse than the champion by {self.margin:g}: {observed}")
        if high < -self.margin:
            return self._result("fail", observed, required, f"worse than the champion by more than {self.margin:g}: {observed}")
        settle = more_rows(rows_to_exclude(pair, -self.margin, alpha=self.alpha), pair.n)
        reason = f"not shown to be within {self.margin:g} of the champion: {observed}; {settle}"
        return self._result("inconclusive", observed, required, reason)

    def _result(self, verdict: Verdict, observed: str, required: str, reason: str) -> GateResult:
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)
