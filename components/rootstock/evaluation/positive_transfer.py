"""Did learning from the source help?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError
from rootstock.groups import group_numbers
from rootstock.paired import Pair, mcnemar_exact, more_rows, pair_of, reverse, rows_to_exclude, rows_to_show_better, score_interval
from rootstock.part import Gate
from rootstock.power import paired_detectables
from rootstock.records import NO_TRANSFER, Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.part import Sample
    from rootstock.records import EvalReport

#: How the reason begins where the model may pass, but not the claim about its source.
CLAIM_REFUSED = "the claim that"


class PositiveTransfer(Gate):
    """The claim "learning from SOURCE helped": the model against the rung ``no_transfer``, on the same test rows.

    That rung is the model's own method on the same labelled rows and the same backbone, without the source. Two questions are kept
    apart. The claim needs evidence that it helped. Promotion needs evidence that it did no harm: a model that is as good without
    its source as with it is still a good model, so a claim that cannot be shown does not block it.

    - The claim stands when the exact one-sided McNemar test has p <= ``alpha``: pass.
    - Negative transfer when the same test the other way round has p <= ``alpha``, or the whole interval is below -``margin``: fail.
    - Otherwise the claim is refused. If the lower limit of the difference is above -``margin``, harm worth caring for is excluded:
      pass, and the reason, which the decision repeats, begins "the claim that SOURCE helped is refused".
    - If not, inconclusive: neither help nor harm is shown. The reason says about how many more test rows would settle it.

    Limits are one-sided at level ``alpha``, Tango's score interval. A model that learned from no source makes no claim, and passes.
    Error rates: where the source is worth nothing, the claim is made with a probability of ``alpha`` at most, and so is the call of
    negative transfer (exact at any number of rows). A model that its source made worse by ``margin`` or more passes with a
    probability of about ``alpha``.
    """

    name: Literal["positive_transfer"] = "positive_transfer"
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    margin: Annotated[float, Field(gt=0, lt=1)]

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        if report.source is None:
            return self._result("pass", "no source", "", "no claim made: the model learned from no source")
        if NO_TRANSFER not in {scored.name for scored in report.baselines}:
            raise DataError(f"gate {self.name}: expected the baseline {NO_TRANSFER}, found none; run the ladder stage again")
        label = rows["label"].to_numpy()
        pair = pair_of(
            rows["predicted:model"].to_numpy() == label,
            rows[f"predicted:{NO_TRANSFER}"].to_numpy() == label,
            inflation=report.variance_inflation,
            groups=group_numbers(rows),
        )
        verdict, observed, reason = self._judge(pair, report.source)
        return self._result(verdict, observed, report.source, reason)

    def _judge(self, pair: Pair, source: str) -> tuple[Verdict, str, str]:
        low, high = score_interval(pair, confidence=1 - 2 * self.alpha)
        observed = f"{pair.difference:+.3f} ({low:+.3f} to {high:+.3f}, {pair.counted})"
        helped, harmed = mcnemar_exact(pair), mcnemar_exact(reverse(pair))
        if helped <= self.alpha:
            return "pass", observed, f"learning from {source} helped: {observed}, p = {helped:.2g}"
        if harmed <= self.alpha or high < -self.margin:
            said = f"negative transfer: learning from {source} made it worse: {observed}, p = {harmed:.2g}"
            return "fail", observed, f"{said}; train on the target alone (similarity.abstain_below_gain: 1), or without {source}"
        refused = f"{CLAIM_REFUSED} {source} helped is refused: {observed}, p = {helped:.2g}"
        if low > -self.margin:
            settle = more_rows(rows_to_show_better(pair, alpha=self.alpha), pair.n)
            return "pass", observed, f"{refused}; it is not worse than without it by {self.margin:g}; {settle}"
        settle = more_rows(rows_to_exclude(pair, -self.margin, alpha=self.alpha), pair.n)
        return "inconclusive", observed, f"{refused}, and a loss of {self.margin:g} is not excluded; {settle}"

    def _result(self, verdict: Verdict, observed: str, source: str, reason: str) -> GateResult:
        claim = f"better than it at alpha {self.alpha:g} to claim that {source or 'a source'} helped"
        required = f"within {self.margin:g} of {NO_TRANSFER}; {claim}"
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """Of the claim, and of the harm that has to be excluded where the claim is refused."""
        return paired_detectables(
            self.name, sample, shown=f"a gain over {NO_TRANSFER} that is shown", show_level=self.alpha,
            excluded=f"a loss against {NO_TRANSFER} that is excluded, if there is none", margin=self.margin,
            exclude_level=self.alpha, wanted=wanted,
        )  # fmt: skip
