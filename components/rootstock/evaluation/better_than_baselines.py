"""Is the model worth its trouble?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError, unknown_name
from rootstock.groups import group_numbers
from rootstock.paired import (
    Pair,
    holm,
    mcnemar_exact,
    more_rows,
    pair_of,
    rows_to_exclude,
    rows_to_show_better,
    score_interval,
)
from rootstock.part import Gate
from rootstock.power import paired_detectables
from rootstock.records import NO_TRANSFER, Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.part import Sample
    from rootstock.records import EvalReport

#: A constant, words or pixels, and random weights: what the ladder has without the pretrained backbone.
RUNGS_TO_BEAT = 3


class BetterThanBaselines(Gate):
    """The model is better than every simple baseline, and not worse than those in ``not_worse_than``, on the same test rows.

    Two claims, because there are two kinds of rung. Baselines without the pretrained backbone (a constant, words, random weights)
    must be beaten: if they are not, nothing was transferred. A linear probe on the same backbone is a method the model itself may
    end up being, so "significantly better" would refuse a good model for equalling it; it must not be worse by ``margin`` or more.

    - A rung to beat: pass when the exact one-sided McNemar test, Holm-corrected over these rungs, has p <= ``alpha``. Fail when the
      upper limit of the difference is below ``margin``: no gain worth having is left. Inconclusive between.
    - A rung not to be worse than: pass when the lower limit of the difference is above -``margin``, fail when the upper limit is
      below it, inconclusive between. Limits are one-sided at level ``alpha``, Tango's score interval.

    The rung ``no_transfer`` asks what a source was worth, not what the model is: it is left to the gate positive_transfer, unless
    ``not_worse_than`` names it.

    The gate passes when every rung does, and fails when one does. Error rate: a model that is in truth no better than some rung to
    beat, or worse by ``margin`` or more than one of the others, passes with a probability of at most ``alpha``, however many rungs
    there are (an intersection-union test; R. L. Berger, Technometrics 24, 1982). The exact test keeps its level at any number of
    rows; the score limits keep theirs nearly.
    """

    name: Literal["better_than_baselines"] = "better_than_baselines"
    measure: Literal["accuracy"]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    not_worse_than: tuple[str, ...]
    """rungs that use the same backbone"""
    margin: Annotated[float, Field(gt=0, lt=1)]

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        pairs = self._pairs(report, rows)
        beaten = [rung for rung in pairs if rung not in self.not_worse_than]
        p_values = dict(zip(beaten, holm([mcnemar_exact(pairs[rung]) for rung in beaten]), strict=True))
        answers: dict[str, tuple[Verdict, str]] = {}
        for rung, pair in pairs.items():
            answers[rung] = self._beats(rung, pair, p_values[rung], len(beaten)) if rung in p_values else self._holds(rung, pair)
        verdicts = [verdict for verdict, _ in answers.values()]
        verdict: Verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
        reasons = [reason for found, reason in answers.values() if found == verdict]
        required = [f"better than {', '.join(beaten)} (alpha {self.alpha:g})"] if beaten else []
        held = [rung for rung in pairs if rung not in beaten]
        required += [f"not worse than {', '.join(held)} by {self.margin:g}"] if held else []
        return GateResult(
            gate=self.name,
            verdict=verdict,
            observed="; ".join(f"{rung} {_shown(pair, self.alpha)}" for rung, pair in pairs.items()),
            required="; ".join(required),
            reason="; ".join(reasons),
        )

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """Of one rung to beat, with Holm's first step over three of them, and of one to hold."""
        held = " or ".join(self.not_worse_than)
        return paired_detectables(
            self.name, sample, shown="a gain over a simple baseline that is shown", show_level=self.alpha / RUNGS_TO_BEAT,
            excluded=f"a loss against {held} that is excluded, if there is none" if held else None,
            margin=self.margin, exclude_level=self.alpha, wanted=wanted,
        )  # fmt: skip

    def _pairs(self, report: EvalReport, rows: pd.DataFrame) -> dict[str, Pair]:
        rungs = [scored.name for scored in report.baselines]
        if unknown := [rung for rung in self.not_worse_than if rung not in rungs]:
            raise DataError(f"gate {self.name}: not_worse_than: {unknown_name('baseline', unknown[0], rungs)}")
        asked = [rung for rung in rungs if rung != NO_TRANSFER or rung in self.not_worse_than]
        label = rows["label"].to_numpy()
        right = {name: (rows[f"predicted:{name}"].to_numpy() == label) for name in ("model", *asked)}
        inflation, groups = report.variance_inflation, group_numbers(rows)
        return {rung: pair_of(right["model"], right[rung], inflation=inflation, groups=groups) for rung in asked}

    def _beats(self, rung: str, pair: Pair, p_value: float, tests: int) -> tuple[Verdict, str]:
        _, high = score_interval(pair, confidence=1 - 2 * self.alpha)
        shown = f"{_shown(pair, self.alpha)}, p = {p_value:.2g}"
        if p_value <= self.alpha:
            return "pass", f"better than {rung}: {shown}"
        if high < self.margin:
            return "fail", f"not better than {rung}: {shown}; a gain of {self.margin:g} is excluded"
        needed = rows_to_show_better(pair, alpha=self.alpha / tests) or rows_to_exclude(pair, self.margin, alpha=self.alpha)
        return "inconclusive", f"not shown to be better than {rung}: {shown}; {more_rows(needed, pair.n)}"

    def _holds(self, rung: str, pair: Pair) -> tuple[Verdict, str]:
        low, high = score_interval(pair, confidence=1 - 2 * self.alpha)
        shown = _shown(pair, self.alpha)
        if low > -self.margin:
            return "pass", f"not worse than {rung} by {self.margin:g}: {shown}"
        if high < -self.margin:
            return "fail", f"worse than {rung} by more than {self.margin:g}: {shown}"
        needed = rows_to_exclude(pair, -self.margin, alpha=self.alpha)
        return "inconclusive", f"not shown to be within {self.margin:g} of {rung}: {shown}; {more_rows(needed, pair.n)}"


def _shown(pair: Pair, alpha: float) -> str:
    low, high = score_interval(pair, confidence=1 - 2 * alpha)
    return f"{pair.difference:+.3f} ({low:+.3f} to {high:+.3f}, {pair.counted})"
