"""Does the model err about as often for every group?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from rootstock.errors import DataError, unknown_name
from rootstock.evaluation.slices import LABEL, LENGTH, column_of, value_names
from rootstock.evaluation.two_groups import newcombe_interval
from rootstock.groups import design_effect, group_numbers
from rootstock.paired import POWER, more_rows
from rootstock.part import Gate
from rootstock.power import detectable_by, power_to_bound_gap
from rootstock.records import Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.part import Sample
    from rootstock.records import EvalReport

#: Of a group with fewer rows that count, nothing is ever shown.
FEWEST_ROWS = 2


@dataclass(frozen=True)
class Group:
    """How often the model errs for one group."""

    name: str
    wrong: int
    rows: int
    """that can be wrong in this way"""
    design_effect: float = 1.0
    """of whether they are"""

    @property
    def rate(self) -> float:
        """Share of them that is."""
        return self.wrong / self.rows


@dataclass(frozen=True)
class Gap:
    """Two groups of one column, the one that is served worse first."""

    column: str
    worse: Group
    better: Group
    low: float
    high: float

    @property
    def value(self) -> float:
        """Difference of their rates."""
        return self.worse.rate - self.better.rate

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f}) of {self.column} {self.worse.name} over {self.better.name}"


class FairnessGap(Gate):
    """The model's error rate differs between no two groups of a column by ``at_most`` or more.

    ``groups`` names the columns (any in ``data.columns.keep``, or ``length`` of texts), and of each the values that are compared;
    null takes all. ``rate``: ``error``, the share of rows wrong; ``false_positive``, the share of rows of other classes that are
    called ``of``; ``false_negative``, the share of rows of class ``of`` that are not.

    - Pass: for every two groups the upper limit of the difference is below ``at_most``, Newcombe's at the one-sided ``alpha``.
      Error rate: where two groups differ by ``at_most`` or more the gate passes with a probability of about ``alpha`` at most; as
      every pair has to hold, no correction is needed, however many columns there are.
    - Fail: for some two groups the lower limit is above ``at_most``, at ``alpha`` over the number of ordered pairs of all columns
      (Bonferroni). Error rate: where no two groups of a column differ by more than ``at_most`` it fails with a probability of
      about ``alpha`` at most.
    - Inconclusive between, and where a group has no more than one row that counts: it is named, and its column not judged.
    """

    name: Literal["fairness_gap"] = "fairness_gap"
    groups: Annotated[dict[str, Annotated[tuple[str, ...], Field(min_length=2)] | None], Field(min_length=1)]
    """column -> its values that are compared; null takes all"""
    rate: Literal["error", "false_positive", "false_negative"]
    of: str | None
    at_most: Annotated[float, Field(gt=0, lt=1)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]

    @field_validator("of")
    @classmethod
    def _goes_with_the_rate(cls, value: str | None, info: ValidationInfo) -> str | None:
        rate = info.data.get("rate")
        if rate is not None and (rate == "error") != (value is None):
            raise ValueError(f"expected null with rate: error, and a class with the other rates, found {value} with rate: {rate}")
        return value

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        if self.of is not None and self.of not in report.labels:
            raise DataError(f"gate {self.name}: of: {unknown_name('label', self.of, report.labels)}")
        groups = {column: self._groups(rows, column) for column in self.groups}
        open_ = {column: why for column, each in groups.items() if (why := _why_not_judged(column, each))}
        judged = {column: each for column, each in groups.items() if column not in open_}
        if not judged:
            observed = ", ".join(f"{len(each)} group{'s' * (len(each) != 1)} of {column}" for column, each in groups.items())
            return self._result("inconclusive", observed, "; ".join(open_.values()))
        widest, verdict, reason = self._judge(judged, report.variance_inflation)
        if open_ and verdict != "fail":
            reason = "; ".join([*([reason] if verdict == "inconclusive" else []), *open_.values()])
            verdict = "inconclusive"
        return self._result(verdict, str(widest), reason)

    def _groups(self, rows: pd.DataFrame, column: str) -> list[Group]:
        where, asked = f"gate {self.name}: groups", self.groups[column]
        names = value_names(column_of(rows, column, where=where), bins=None)
        known = sorted(set(names.tolist()))
        if unknown := [name for name in asked or () if name not in known]:
            raise DataError(f"{where}: {unknown_name(f'value of {column}', unknown[0], known)}")
        counts, wrong = self._errors(rows)
        groups = group_numbers(rows)

        def group(name: str) -> Group:
            mask = counts & (names == name)
            effect = design_effect(wrong[mask], None if groups is None else groups[mask]) if mask.any() else 1.0
            return Group(name, int(wrong[mask].sum()), int(mask.sum()), effect)

        return [group(name) for name in asked or known]

    def _errors(self, rows: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(n,) rows that can be wrong in this way, and those that are."""
        import numpy as np

        label, said = rows["label"].to_numpy(), rows["predicted:model"].to_numpy()
        if self.rate == "error":
            return np.ones(len(rows), dtype=bool), said != label
        counts = (label == self.of) == (self.rate == "false_negative")
        return counts, counts & (said != label if self.rate == "false_negative" else said == self.of)

    def _judge(self, groups: Mapping[str, Sequence[Group]], inflation: float) -> tuple[Gap, Verdict, str]:
        pairs = [(column, *pair) for column, each in groups.items() for pair in permutations(each, 2)]
        gaps = [_gap(*pair, alpha=self.alpha, inflation=inflation) for pair in pairs]
        strict = [_gap(*pair, alpha=self.alpha / len(pairs), inflation=inflation) for pair in pairs]
        widest = max(gaps, key=lambda gap: gap.value)
        if shown := [gap for gap in strict if gap.low > self.at_most]:
            return widest, "fail", f"{self._what()} differs by more than {self.at_most:g}: {max(shown, key=lambda gap: gap.value)}"
        unsettled = [gap for gap in gaps if gap.high >= self.at_most]
        if not unsettled:
            return widest, "pass", f"{self._what()} differs by less than {self.at_most:g} between all groups, at most {widest}"
        hardest = max(unsettled, key=self._times)
        total = sum(group.rows for group in groups[hardest.column])
        needed = math.ceil(total * self._times(hardest)) if math.isfinite(self._times(hardest)) else None
        reason = f"{self._what()} is not shown to differ by less than {self.at_most:g}: {hardest}; {more_rows(needed, total)}"
        return widest, "inconclusive", reason

    def _times(self, gap: Gap) -> float:
        """So many times the rows would settle a gap that stays what it is."""
        distance = self.at_most - gap.value
        half = gap.high - gap.value if distance > 0 else gap.value - gap.low
        z, more = (NormalDist().inv_cdf(chance) for chance in (1 - self.alpha, POWER))
        return (half / distance * (1 + more / z)) ** 2 if abs(distance) > 1e-9 else math.inf

    def _what(self) -> str:
        return f"the {self.rate.replace('_', ' ')} rate" + (f" of {self.of}" if self.of is not None else "")

    def _result(self, verdict: Verdict, observed: str, reason: str) -> GateResult:
        required = f"{self._what()} within {self.at_most:g} between groups of {', '.join(self.groups)} (alpha {self.alpha:g})"
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """The chance counted is that of a pass where all groups have one rate; classes are taken to be as frequent in each.

        By the union bound over the columns.
        """
        sizes = {column: rows for column in self.groups if len(rows := self._sizes(sample, column)) > 1}
        if not sizes:
            return ()
        share, rate = self._expected(sample)
        most = max(sum(rows) for rows in sizes.values())

        def power(total: float, gap: float) -> float:
            each = ([total * n / most * share for n in rows] for rows in sizes.values())
            return 1 - sum(1 - power_to_bound_gap(rows, gap, rate=rate, level=self.alpha) for rows in each)

        groups = " and ".join(f"{len(rows)} groups of {column}" for column, rows in sizes.items())
        return (
            detectable_by(
                power,
                gate=self.name,
                question=f"a gap in {self._what()} between {groups} that is excluded, if there is none",
                rows=most,
                level=self.alpha,
                wanted=wanted or self.at_most,
            ),
        )

    def _sizes(self, sample: Sample, column: str) -> list[int]:
        """Rows of the groups that would be compared."""
        known = sample.slice_rows.get(column, {})
        return [known[name] for name in self.groups[column] or known if name in known]

    def _expected(self, sample: Sample) -> tuple[float, float]:
        """Share of the rows that can be wrong in this way, and of those the share that is."""
        error = 1 - sample.accuracy
        if self.of is None:
            return 1.0, error
        share = sample.class_rows.get(self.of, 0) / max(sample.rows, 1)
        if self.rate == "false_negative":
            return share, error
        return 1 - share, min(1.0, error * share / max(1 - share, 1e-9))

    def kept_columns(self) -> tuple[str, ...]:
        return tuple(column for column in self.groups if column not in (LABEL, LENGTH))


def _why_not_judged(column: str, groups: Sequence[Group]) -> str | None:
    """Why nothing can be shown of a column, and what would change that; None where something can."""
    if small := [group for group in groups if group.rows < FEWEST_ROWS]:
        names = ", ".join(f"{group.name} ({group.rows})" for group in small)
        return (
            f"nothing can be shown of {column} {names} with so few rows that can be wrong in this way; "
            "about 100 more labelled rows of each to test on would be a beginning, or name the others in groups"
        )
    if len(groups) < 2:
        return f"all tested rows are of {column} {groups[0].name}; add labelled rows of another to test on"
    return None


def _gap(column: str, worse: Group, better: Group, *, alpha: float, inflation: float) -> Gap:
    """Limits as for ``rows / inflation`` independent rows of each group (see ``EvalReport.variance_inflation``)."""
    pair = [(each, inflation * each.design_effect) for each in (worse, better)]
    wrong, rows = [each.wrong / times for each, times in pair], [each.rows / times for each, times in pair]
    low, high = newcombe_interval((wrong[0], wrong[1]), (rows[0], rows[1]), confidence=1 - 2 * alpha)
    return Gap(column, worse, better, low, high)
