"""Does the model keep its promise everywhere, or only on average?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError, unknown_name
from rootstock.evaluation.slices import LABEL, LENGTH, Slice, cut, enough, slice_columns, value_names
from rootstock.groups import group_numbers
from rootstock.paired import Pair, holm, mcnemar_exact, more_rows, pair_of, reverse, rows_to_exclude, score_of
from rootstock.part import Gate
from rootstock.power import detectable_by, power_to_exclude
from rootstock.records import Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.part import Sample
    from rootstock.records import EvalReport

#: So many slices are written out.
NAMED = 3


class WorstSlice(Gate):
    """The model's accuracy is in no slice of the test rows lower by ``margin`` or more than that of what it replaces.

    That is the champion, or the rung ``baseline`` where there is no champion that can be compared. Slices are the values of each
    column in ``columns`` (``label``, ``length`` of texts, any in ``data.columns.keep``; null takes all there are); numbers other
    than classes are cut at their quantiles into ``bins``. Those with fewer than ``min_rows`` rows are judged together, column by
    column; if even those together are fewer, they are named and not judged.

    - Pass: in every slice judged, a loss of ``margin`` is excluded at level ``alpha`` (Tango's score test). Error rate: a model
      that is in truth worse by ``margin`` or more in one of them passes with a probability of about ``alpha`` at most, however many
      there are; as every slice has to hold, no correction is needed (R. L. Berger, Technometrics 24, 1982).
    - Fail: in one slice the loss seen is at least ``margin``, and shown to be one: exact McNemar, Holm-corrected over all slices.
      Error rate: a model that is worse in no slice fails with a probability of ``alpha`` at most, whatever slices overlap.
    - Inconclusive between: the reason names the slices and about how many more rows would settle it.

    A model that is as good everywhere passes with a probability of about 80% at the rows that ``rootstock gates power`` asks for;
    less where the two differ more in some slices than on the whole.
    """

    name: Literal["worst_slice"] = "worst_slice"
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None
    baseline: str
    margin: Annotated[float, Field(gt=0, lt=1)]
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    min_rows: Annotated[int, Field(ge=10)]
    bins: Annotated[int, Field(ge=2)]

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        rival, asked = self._rival(report, rows)
        where = f"gate {self.name}"
        slices = cut(asked, self.columns or slice_columns(asked), bins=self.bins, where=where)
        judged, unjudged = enough(slices, fewest=self.min_rows)
        left_out = f"; too small to judge: {_listed([f'{each.name} ({each.rows})' for each in unjudged])}" if unjudged else ""
        if not judged:
            more = self.min_rows - max(each.rows for each in slices)
            reason = f"no slice has {self.min_rows} rows; about {more} more of one would be a beginning{left_out}"
            return self._result("inconclusive", f"{len(asked)} rows", reason, rival=rival)
        pairs = self._pairs(asked, judged, rival, inflation=report.variance_inflation)
        worst = min(pairs, key=lambda name: pairs[name].difference)
        verdict, reason = self._judge(pairs, rival)
        return self._result(verdict, f"worst of {len(pairs)}: {worst} {_shown(pairs[worst])}", reason + left_out, rival=rival)

    def _rival(self, report: EvalReport, rows: pd.DataFrame) -> tuple[str, pd.DataFrame]:
        """What the model is held against, and the rows that it answered."""
        if report.champion is not None and len(asked := rows[rows["predicted:champion"].notna()]):
            return "champion", asked
        rungs = [scored.name for scored in report.baselines]
        if self.baseline not in rungs:
            raise DataError(f"gate {self.name}: baseline: {unknown_name('baseline', self.baseline, rungs)}")
        return self.baseline, rows

    def _pairs(self, rows: pd.DataFrame, slices: list[Slice], rival: str, *, inflation: float) -> dict[str, Pair]:
        label = rows["label"].to_numpy()
        model, other = (rows[f"predicted:{name}"].to_numpy() == label for name in ("model", rival))
        groups = group_numbers(rows)

        def pair(mask: NDArray[np.bool_]) -> Pair:
            return pair_of(model[mask], other[mask], inflation=inflation, groups=None if groups is None else groups[mask])

        return {each.name: pair(each.mask) for each in slices}

    def _judge(self, pairs: Mapping[str, Pair], rival: str) -> tuple[Verdict, str]:
        adjusted = holm([mcnemar_exact(reverse(pair)) for pair in pairs.values()])
        p_values = dict(zip(pairs, adjusted, strict=True))
        harmed = [name for name, pair in pairs.items() if p_values[name] <= self.alpha and pair.difference <= -self.margin]
        if harmed:
            said = [f"{name} {_shown(pairs[name])}, p = {p_values[name]:.2g}" for name in harmed]
            return "fail", f"worse than the {rival} in {_listed(said)}"
        z = NormalDist().inv_cdf(1 - self.alpha)
        open_ = [name for name, pair in pairs.items() if score_of(pair, -self.margin) <= z]
        if not open_:
            return "pass", f"a loss of {self.margin:g} against the {rival} is excluded in all {len(pairs)} slices"
        needed = {name: rows_to_exclude(pairs[name], -self.margin, alpha=self.alpha) for name in open_}
        hardest = max(open_, key=lambda name: (needed[name] or 0) - pairs[name].n)
        said = [f"{name} {_shown(pairs[name])}" for name in sorted(open_, key=lambda name: pairs[name].difference)]
        settle = more_rows(needed[hardest], pairs[hardest].n, of=f" of {hardest}")
        return "inconclusive", (
            f"a loss of {self.margin:g} against the {rival} is not excluded in {len(open_)} of {len(pairs)} slices: "
            f"{_listed(said)}; {settle}"
        )

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """The chance counted is that of a pass for a model that is as good everywhere; by the union bound over the slices.

        Slices are those that would be judged now, and the rows asked for leave each of them ``min_rows``.
        """
        sizes = self._sizes(sample)

        def power(rows: float, margin: float) -> float:
            if min(sizes) * rows < self.min_rows * sample.rows:
                return 0.0
            held = (
                power_to_exclude(max(1, round(size * rows / sample.rows)), margin, discordance=sample.discordance, level=self.alpha)
                for size in sizes
            )
            return 1 - sum(1 - each for each in held)

        return (
            detectable_by(
                power,
                gate=self.name,
                question=f"a loss in one of {len(sizes)} slices that is excluded, if there is none",
                rows=sample.rows,
                level=self.alpha,
                wanted=wanted if wanted is not None else self.margin,
            ),
        )

    def _sizes(self, sample: Sample) -> list[int]:
        """Rows of the slices that would be judged, small ones of a column together; all slices where none would be."""
        known = {LABEL: sample.class_rows, **sample.slice_rows}
        columns = [self._cut(column, known[column]) for column in self.columns or tuple(known) if known.get(column)]
        judged = []
        for rows in columns:
            small = [n for n in rows.values() if n < self.min_rows]
            judged += [n for n in rows.values() if n >= self.min_rows]
            judged += [sum(small)] if sum(small) >= self.min_rows else []
        return judged or [n for rows in columns for n in rows.values() if n] or [sample.rows]

    def _cut(self, column: str, rows: Mapping[str, int]) -> Mapping[str, int]:
        """Slice -> rows, as ``cut`` makes them of a column's values."""
        import pandas as pd

        values = pd.Series([value for value, count in rows.items() for _ in range(count)], dtype="str")
        return Counter(value_names(values, bins=None if column == LABEL else self.bins).tolist())

    def _result(self, verdict: Verdict, observed: str, reason: str, *, rival: str) -> GateResult:
        required = f"within {self.margin:g} of the {rival} in each slice (alpha {self.alpha:g})"
        return GateResult(gate=self.name, verdict=verdict, observed=observed, required=required, reason=reason)

    def kept_columns(self) -> tuple[str, ...]:
        return tuple(column for column in self.columns or () if column not in (LABEL, LENGTH))


def _shown(pair: Pair) -> str:
    return f"{pair.difference:+.3f} ({pair.counted})"


def _listed(said: list[str]) -> str:
    return ", ".join(said[:NAMED]) + (f" and {len(said) - NAMED} more" if len(said) > NAMED else "")
