"""Does the model still know the answer when the question is badly put?"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError, unknown_name
from rootstock.evaluation.perturbed import UNDER
from rootstock.groups import group_numbers
from rootstock.paired import Pair, holm, more_rows, pair_of, rows_to_exclude, score_interval, score_of
from rootstock.part import Gate
from rootstock.power import detectable_by, power_to_exclude
from rootstock.records import Detectable, GateResult, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.part import Sample
    from rootstock.records import EvalReport

#: Below this many rows the score interval is not to be trusted either way.
FEWEST_ROWS = 30


class Robustness(Gate):
    """Accuracy drops by at most ``at_most[NAME]`` under each perturbation of the test rows that is named there.

    The same model on the same rows, as they are and perturbed (``evaluation.perturbations``): the difference is paired. Limits are
    Tango's score limits, one-sided at level ``alpha``.

    - Pass: under each perturbation the upper limit of the drop is at or below what is allowed. As all have to hold, no correction
      is needed (an intersection-union test; R. L. Berger, Technometrics 24, 1982): a model that in truth drops by more under one
      of them passes with a probability of ``alpha`` at most.
    - Fail: under one the drop is larger than allowed, by the score test with Holm's correction over the perturbations: a model that
      in truth drops by no more under any fails with a probability of ``alpha`` at most.
    - Inconclusive between, with fewer than 30 rows, and instead of a pass under a perturbation that changed fewer than 30 rows, or
      no larger a share of them than may drop: what is not changed cannot be lost.

    Out of fold the rows are those that the model learned from, so what is judged is how it holds on to known answers.
    """

    name: Literal["robustness"] = "robustness"
    at_most: dict[str, Annotated[float, Field(gt=0, lt=1)] | None]
    """perturbation -> drop in accuracy that is allowed, 0 to 1; null sets no limit"""
    alpha: Annotated[float, Field(gt=0, lt=0.5)]

    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        # Out of fold the model was not measured itself, but how it was made: its own answers then stand under "shipped".
        pairs = self._pairs(rows, "shipped" if report.rows == "out_of_fold" else "model")
        required = "; ".join(f"{name} costs at most {self._limits[name]:g}" for name in pairs) or "no limit"
        if not pairs:
            return GateResult(
                gate=self.name, verdict="pass", observed="not asked", required=required, reason="the params set no limit"
            )
        answers = self._judge(pairs, self._changed(rows))
        verdicts = {verdict for verdict, _ in answers.values()}
        verdict: Verdict = "fail" if "fail" in verdicts else "inconclusive" if "inconclusive" in verdicts else "pass"
        return GateResult(
            gate=self.name,
            verdict=verdict,
            observed="; ".join(f"{name} {self._shown(pair)}" for name, pair in pairs.items()),
            required=f"{required} (alpha {self.alpha:g})",
            reason="; ".join(reason for found, reason in answers.values() if found == verdict),
        )

    @property
    def _limits(self) -> dict[str, float]:
        return {name: limit for name, limit in self.at_most.items() if limit is not None}

    def perturbations(self) -> tuple[str, ...]:
        return tuple(self.at_most)

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """The chance counted is that of a pass for a model that loses nothing; by the union bound over the perturbations."""
        if not self._limits:
            return ()

        def power(rows: int, drop: float) -> float:
            passed = power_to_exclude(rows, drop, discordance=sample.discordance, level=self.alpha)
            return 1 - len(self._limits) * (1 - passed)

        return (
            detectable_by(
                power,
                gate=self.name,
                question=f"a drop that is excluded under each of {len(self._limits)} perturbations, if there is none",
                rows=sample.rows,
                level=self.alpha,
                wanted=wanted or min(self._limits.values()),
            ),
        )

    def _pairs(self, rows: pd.DataFrame, clean: str) -> dict[str, Pair]:
        """Perturbation -> the model as it is against the model perturbed: a positive difference is a drop."""
        prefix = f"predicted:model{UNDER}"
        known = [column.removeprefix(prefix) for column in rows.columns if column.startswith(prefix)]
        if unknown := [name for name in self._limits if name not in known]:
            raise DataError(
                f"gate {self.name}: at_most: {unknown_name('perturbation', unknown[0], known)}; evaluation.perturbations names them"
            )
        label = rows["label"].to_numpy()
        right = rows[f"predicted:{clean}"].to_numpy() == label
        groups = group_numbers(rows)
        return {name: pair_of(right, rows[f"{prefix}{name}"].to_numpy() == label, groups=groups) for name in self._limits}

    def _changed(self, rows: pd.DataFrame) -> dict[str, int]:
        """Perturbation -> how many rows it changed at all."""
        columns = {name: f"changed:model{UNDER}{name}" for name in self._limits}
        if missing := [column for column in columns.values() if column not in rows]:
            raise DataError(f"gate {self.name}: expected the column '{missing[0]}', found none; run the evaluate stage again")
        return {name: int(rows[column].sum()) for name, column in columns.items()}

    def _judge(self, pairs: Mapping[str, Pair], changed: Mapping[str, int]) -> dict[str, tuple[Verdict, str]]:
        larger = [1 - NormalDist().cdf(score_of(pair, self._limits[name])) for name, pair in pairs.items()]
        p_values = dict(zip(pairs, holm(larger), strict=True))
        return {name: self._one(name, pair, p_values[name], changed[name]) for name, pair in pairs.items()}

    def _one(self, name: str, pair: Pair, p_value: float, changed: int) -> tuple[Verdict, str]:
        limit, shown = self._limits[name], self._shown(pair)
        _, high = score_interval(pair, confidence=1 - 2 * self.alpha)
        if pair.n < FEWEST_ROWS:
            return (
                "inconclusive",
                f"{pair.n} tested rows are too few to tell; about {FEWEST_ROWS - pair.n} more would be a beginning",
            )
        if high <= limit and (changed < FEWEST_ROWS or changed <= limit * pair.n):
            return (
                "inconclusive",
                f"{name} changed {changed} of {pair.n} rows, too few for a test; take one that changes more",
            )
        if high <= limit:
            return "pass", f"{name} costs {shown}, at most {limit:g}"
        if p_value <= self.alpha:
            return "fail", f"{name} costs {shown}, more than {limit:g}, p = {p_value:.2g}; train with such rows (augmentations)"
        needed = rows_to_exclude(pair, limit, alpha=self.alpha)
        return "inconclusive", f"{name} costs {shown}, too near {limit:g}; {more_rows(needed, pair.n)}"

    def _shown(self, pair: Pair) -> str:
        low, high = score_interval(pair, confidence=1 - 2 * self.alpha)
        return f"{pair.difference:.3f} ({low:.3f} to {high:.3f}, {pair.counted})"
