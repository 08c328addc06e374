"""Is the model better than what stands in production, or at least not worse?"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from rootstock.evaluation.floor import FEWEST_ROWS
from rootstock.evaluation.paired_measures import (
    MOST_DRAWS,
    PairedStatistics,
    bootstrap_limits,
    paired_statistics,
    swap_test,
)
from rootstock.groups import group_numbers
from rootstock.paired import (
    POWER,
    Pair,
    mcnemar_exact,
    more_rows,
    pair_of,
    reverse,
    rows_to_exclude,
    rows_to_show_better,
    score_interval,
)
from rootstock.part import Gate
from rootstock.power import paired_detectables
from rootstock.records import Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.part import Sample
    from rootstock.records import EvalReport

Answer = tuple[Verdict, str, str]
REBASELINE = "'rootstock promote VERSION --rebaseline --by NAME --reason ...' makes the model the new baseline"


class AgainstChampion(Gate):
    """The model against the champion: both scored now, on the same rows, by the same code.

    ``superiority``: pass when a paired test shows the model to be better. ``non_inferiority``: pass when the one-sided lower limit
    of its advantage is above -``margin``. Either at ``level``, this look's share of the panel's error rate, and at no other: over a
    year of looks, candidates that are no better (or, for non-inferiority, worse by ``margin`` or more) are promoted with a
    probability of at most ``gates.alpha``.

    - accuracy: exact one-sided McNemar test (1947); Tango's score limits (Statistics in Medicine 17, 1998).
    - macro_f1 (over the classes that both know), log_loss (``margin`` in nats): the swap test and the bootstrap limits of
      ``paired_measures``, no nearer than errors allow that the rows do not show. They are approximate, and with fewer than 30 rows
      the answer is "inconclusive".

    Fails when the model is shown to be worse, at the same level (for non-inferiority: worse by more than ``margin``). Two models
    that answer every row alike are "inconclusive" under superiority: the champion stays. Without a champion the gate passes; with
    one that cannot be scored any more it is "inconclusive", and the reason names the way to start anew.

    Non-inferiority promotes what is as good, every time: choose it where newer is better by itself. Its small steps down add up.
    """

    name: Literal["against_champion"] = "against_champion"
    claim: Literal["superiority", "non_inferiority"]
    measure: Literal["accuracy", "macro_f1", "log_loss"]
    margin: Annotated[float, Field(gt=0)] | None
    """of non-inferiority, in the measure's unit; null for superiority"""

    @field_validator("margin")
    @classmethod
    def _goes_with_the_claim(cls, value: float | None, info: ValidationInfo) -> float | None:
        claim = info.data.get("claim")
        if claim == "superiority" and value is not None:
            raise ValueError(f"expected null with claim: superiority, found {value:g}; a margin is for claim: non_inferiority")
        if claim == "non_inferiority" and value is None:
            raise ValueError("expected a margin with claim: non_inferiority, found null; such as 0.02")
        if claim is not None and value is not None and value >= 1 and info.data.get("measure") != "log_loss":
            raise ValueError(f"expected a margin below 1, a share of one, found {value:g}")
        return value

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        return self._result(*self._answer(report, rows, level), level=level)

    def _answer(self, report: EvalReport, rows: pd.DataFrame, level: float) -> Answer:
        if report.champion is None:
            return "pass", "no champion", "there is no champion yet, so there is nothing to be better than"
        asked = rows[rows["predicted:champion"].notna()]
        if asked.empty:
            return "inconclusive", "no rows in common", f"the champion cannot be compared: {report.champion.note}; {REBASELINE}"
        if self.measure == "accuracy":
            pair = _pair(asked, report.variance_inflation)
            if level <= 0:
                return _spent(pair.difference, pair.n)
            alike = bool((asked["predicted:model"].to_numpy() == asked["predicted:champion"].to_numpy()).all())
            return self._judge_accuracy(pair, level, alike)
        found = paired_statistics(
            self.measure, asked, labels=report.labels, champion_labels=report.champion_labels, inflation=report.variance_inflation
        )
        return self._judge_other(found, level) if level > 0 else _spent(found.advantage, found.rows)

    def _judge_accuracy(self, pair: Pair, level: float, alike: bool) -> Answer:
        low, high = score_interval(pair, confidence=1 - 2 * level)
        observed = f"{pair.difference:+.3f} ({low:+.3f} to {high:+.3f}, {pair.counted})"
        if self.margin is not None:
            return self._holds(observed, low, high, more_rows(rows_to_exclude(pair, -self.margin, alpha=level), pair.n))
        better, worse = mcnemar_exact(pair), mcnemar_exact(reverse(pair))
        settle = "" if better <= level else more_rows(rows_to_show_better(pair, alpha=level), pair.n)
        return _beats(observed, better, worse, level=level, alike=alike, settle=settle)

    def _judge_other(self, found: PairedStatistics, level: float) -> Answer:
        advantage, n = found.advantage, found.rows
        observed = f"{advantage:+.3f} ({n} rows)"
        if n < FEWEST_ROWS:
            reason = f"{n} tested rows are too few to tell; about {FEWEST_ROWS - n} more would be a beginning"
            return "inconclusive", observed, reason
        if level < 1 / MOST_DRAWS:
            reason = f"a level of {level:.2g} is beyond what {MOST_DRAWS:,} draws can show; allow fewer gates.looks"
            return "inconclusive", observed, reason
        if self.margin is not None:
            low, high = _limits(found, level)
            observed = f"{advantage:+.3f} ({low:+.3f} to {high:+.3f}, {n} rows)"
            half = advantage - low if advantage > -self.margin else high - advantage
            return self._holds(observed, low, high, more_rows(_scaled(n, half, advantage + self.margin), n))
        better, spread = swap_test(found, level=level)
        worse, _ = swap_test(PairedStatistics(found.second, found.first, found.sign, found.inflation), level=level)
        tails = _z(level) + _z(1 - POWER)
        settle = more_rows(_scaled(n, tails * spread, advantage) if advantage > 0 else None, n)
        return _beats(observed, better, worse, level=level, alike=found.alike, settle=settle)

    def _holds(self, observed: str, low: float, high: float, settle: str) -> Answer:
        assert self.margin is not None
        if low > -self.margin:
            return "pass", observed, f"not worse than the champion by {self.margin:g}: {observed}"
        if high < -self.margin:
            return "fail", observed, f"worse than the champion by more than {self.margin:g}: {observed}"
        return "inconclusive", observed, f"not shown to be within {self.margin:g} of the champion: {observed}; {settle}"

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """For accuracy, and for macro F1 as if it were accuracy; what a log loss will vary like is not known before a run."""
        if self.measure == "log_loss" or level <= 0:
            return ()
        better, worse = f"a gain over the champion in {self.measure}", f"a loss against the champion in {self.measure}"
        return paired_detectables(
            self.name, sample, shown=f"{better} that is shown" if self.margin is None else None, show_level=level,
            excluded=f"{worse} that is excluded, if there is none" if self.margin is not None else None,
            margin=self.margin or 0.0, exclude_level=level, wanted=wanted,
        )  # fmt: skip

    def _result(self, verdict: Verdict, observed: str, reason: str, *, level: float) -> GateResult:
        asked = "better than" if self.margin is None else f"within {self.margin:g} of"
        required = f"{self.measure} {asked} the champion's (level {level:.2g})"
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)


def _beats(observed: str, better: float, worse: float, *, level: float, alike: bool, settle: str) -> Answer:
    if alike:
        return (
            "inconclusive",
            observed,
            f"the model answers every row as the champion does: {observed}; the champion stays until more rows tell them apart",
        )
    if better <= level:
        return "pass", observed, f"better than the champion: {observed}, p = {better:.2g}"
    if worse <= level:
        return "fail", observed, f"worse than the champion: {observed}, p = {worse:.2g}"
    return "inconclusive", observed, f"not shown to be better than the champion: {observed}, p = {better:.2g}; {settle}"


def _spent(advantage: float, n: int) -> Answer:
    observed = f"{advantage:+.3f} ({n} rows)"
    return "inconclusive", observed, f"no more can be shown this year, its looks (gates.looks) are spent: {observed}"


def _pair(asked: pd.DataFrame, inflation: float) -> Pair:
    label = asked["label"].to_numpy()
    model, champion = (asked[f"predicted:{name}"].to_numpy() == label for name in ("model", "champion"))
    return pair_of(model, champion, inflation=inflation, groups=group_numbers(asked))


def _limits(found: PairedStatistics, level: float) -> tuple[float, float]:
    """The bootstrap's, no nearer than errors allow that the rows do not show: it draws none of these, and few rows say little.

    Those are Tango's limits of two models that no row tells apart.
    """
    unseen = score_interval(Pair(wins=0, losses=0, n=found.rows, inflation=found.inflation), confidence=1 - 2 * level)
    low, high = (found.advantage + found.error * limit for limit in unseen)
    if found.alike:
        return low, high
    limits = bootstrap_limits(found, level=level)
    return min(limits[0], low), max(limits[1], high)


def _scaled(n: int, half: float, distance: float) -> int | None:
    """Rows at which a half-width, which narrows with the square root of their number, is as small as the distance."""
    return math.ceil(n * (half / distance) ** 2) if abs(distance) > 1e-9 else None


def _z(tail: float) -> float:
    return NormalDist().inv_cdf(1 - tail)
