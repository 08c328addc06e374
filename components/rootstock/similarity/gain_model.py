"""Predict what a candidate gains over no transfer, from what came of others like it.

Evidence and gain are taken as jointly Gaussian; a prediction is the gain's mean given whatever evidence there is (missing
scores need no special case). Past outcomes count the more the nearer their number of labelled rows is. The spread around a
prediction is not the model's own but measured (cross-conformal prediction, Vovk 2015): the errors made on each task when all of
it was left out, where most targets remain without it, and else on each of its targets when that was left out, as target and as
source. Every task counts the same in it, however many outcomes it has, so the spread speaks of a task of a kind that was never
seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rootstock.records import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Share of the evidence's total variance that is added to the variance of each standardised score: scores agree with one another,
#: and targets to learn from are few.
RIDGE_SHARE = 1 / 30

#: Past outcomes with twice or half as many labelled rows a class count exp(-1/2) as much.
DOUBLINGS = 1.0

#: A team's mean surprise counts half once it has so many outcomes of its own.
HALF_TRUST = 8.0


@dataclass(frozen=True)
class Prediction:
    """A predicted gain in accuracy."""

    gain: float
    low: float
    high: float
    risk: float
    """probability that the gain is below zero"""


@dataclass(frozen=True)
class GainModel:
    """Past outcomes to predict from: those that came with Rootstock, then the team's own."""

    bundled: tuple[Outcome, ...]
    own: tuple[Outcome, ...]
    names: tuple[str, ...]
    """evidence read"""

    def predict(
        self, evidence: Sequence[dict[str, float | None]], sources: Sequence[str], *, rows_per_class: float, confidence: float
    ) -> list[Prediction]:
        """One prediction a candidate, for a target with so many labelled rows a class. Raises ValueError without outcomes."""
        import numpy as np

        weights = self._weights(rows_per_class)
        values = _table(evidence, self.names)
        gains = _condition(self._evidence, self._gains, weights=weights, values=values)
        errors, mass = self._left_out_errors(weights), self._by_task(weights)
        shift = self._surprises(weights)
        tail = (1 - confidence) / 2
        order = np.argsort(errors)
        shares = np.cumsum(mass[order]) / mass.sum()
        places = np.minimum(np.searchsorted(shares, [tail, 1 - tail]), len(order) - 1)
        low, high = (float(error) for error in errors[order][places])
        found = []
        for gain, source in zip(gains, sources, strict=True):
            centre = float(gain) + shift(source)
            risk = (float(mass[errors < -centre].sum()) + 0.5) / (float(mass.sum()) + 1.0)
            found.append(Prediction(centre, centre + low, centre + high, risk))
        return found

    def _weights(self, rows_per_class: float) -> NDArray[np.float64]:
        import numpy as np

        doublings = np.array([math.log2(outcome.labelled_rows / outcome.classes / rows_per_class) for outcome in self.bundled])
        nearest = float(np.abs(doublings).min())  # farther than any: the nearest count in full
        return np.asarray(np.exp(-0.5 * ((np.abs(doublings) - nearest) / DOUBLINGS) ** 2))

    def _by_task(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weights, scaled so that every task has the same sum."""
        import numpy as np

        _, tasks = np.unique([outcome.task for outcome in self.bundled], return_inverse=True)
        shares = np.bincount(tasks, weights=weights)
        return np.asarray(weights / shares[tasks] * weights.sum() / len(shares))

    @cached_property
    def _evidence(self) -> NDArray[np.float64]:
        return _table([outcome.evidence for outcome in self.bundled], self.names)

    @cached_property
    def _gains(self) -> NDArray[np.float64]:
        import numpy as np

        return np.array([outcome.realised for outcome in self.bundled])

    def _left_out_errors(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) gain less prediction of each bundled outcome, predicted without its task or all that its target took part in."""
        import numpy as np

        tasks = np.array([outcome.task for outcome in self.bundled])
        targets = np.array([f"{outcome.task}/{outcome.target}" for outcome in self.bundled])
        sources = np.array([f"{outcome.task}/{outcome.source}" for outcome in self.bundled])
        errors = np.zeros(len(targets))
        for target in np.unique(targets):
            held = targets == target
            others = tasks != tasks[held][0]
            most = len(np.unique(targets[others])) > len(np.unique(targets)) / 2
            rest = others if most else ~held & (sources != target)
            if rest.sum() >= 2:
                said = _condition(self._evidence[rest], self._gains[rest], weights=weights[rest], values=self._evidence[held])
                errors[held] = self._gains[held] - said
        return errors

    def _surprises(self, weights: NDArray[np.float64]) -> _Shift:
        """What the team's own outcomes were above what was to be expected, in all and by source, drawn towards nothing."""
        if not self.own:
            return _Shift(0.0, {})
        said = _condition(
            self._evidence, self._gains, weights=weights, values=_table([outcome.evidence for outcome in self.own], self.names)
        )
        errors = [outcome.realised - float(value) for outcome, value in zip(self.own, said, strict=True)]
        overall = sum(errors) / (len(errors) + HALF_TRUST)
        by_source: dict[str, list[float]] = {}
        for outcome, error in zip(self.own, errors, strict=True):
            by_source.setdefault(outcome.source, []).append(error - overall)
        return _Shift(overall, {source: sum(each) / (len(each) + HALF_TRUST) for source, each in by_source.items()})


@dataclass(frozen=True)
class _Shift:
    overall: float
    by_source: dict[str, float]

    def __call__(self, source: str) -> float:
        return self.overall + self.by_source.get(source, 0.0)


def _table(evidence: Sequence[dict[str, float | None]], names: Sequence[str]) -> NDArray[np.float64]:
    """(n, d) with NaN where there is no score."""
    import numpy as np

    return np.array([[np.nan if (value := each.get(name)) is None else value for name in names] for each in evidence], dtype=float)


def _condition(
    evidence: NDArray[np.float64], gains: NDArray[np.float64], *, weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(m,) expected gain given evidence ``values`` (m, d), from outcomes ``evidence`` (n, d) and ``gains`` (n,)."""
    import numpy as np

    known = ~np.isnan(evidence)
    mass = np.where(known, weights[:, None], 0.0)
    total = np.maximum(mass.sum(axis=0), 1e-12)
    centre = np.where(known, evidence, 0.0).T @ weights / total
    filled = np.where(known, evidence - centre, 0.0)
    spread = np.sqrt(np.maximum((mass * filled**2).sum(axis=0) / total, 1e-12))
    filled = filled / spread
    mean = float(weights @ gains / weights.sum())
    both = np.maximum(known.T.astype(float) @ (weights[:, None] * known), 1e-12)
    covariance = filled.T @ (weights[:, None] * filled) / both
    with_gain = filled.T @ (weights * (gains - mean)) / total
    found = np.full(len(values), mean)
    present = ~np.isnan(values)
    for pattern in np.unique(present, axis=0):
        rows = (present == pattern).all(axis=1)
        if pattern.any():
            size = int(pattern.sum())
            inner = covariance[np.ix_(pattern, pattern)] + RIDGE_SHARE * size * np.eye(size)
            slope = np.linalg.solve(inner, with_gain[pattern])
            found[rows] += ((values[rows][:, pattern] - centre[pattern]) / spread[pattern]) @ slope
    return found
