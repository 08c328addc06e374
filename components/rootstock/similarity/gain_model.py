"""Predict what a candidate gains over no transfer, from what came of others like it.

A predicted gain has two parts. The *standing* of a candidate among the sources of its ranking is a weighted sum of where each score
puts it. Weights are not negative, as every score is higher for better by design: with few tasks to learn from, that says more than
any penalty (Dawes 1979, "The robust beauty of improper linear models"; scores that agree share a weight instead of cancelling). The
*level* of a ranking is what its sources gain on the whole, from cross-validated gains of the scores in units of accuracy. Sources
that are learned from together gain what they would gain on average, and more by the *surplus* of such candidates before.

How scores tell better from worse is learned from tasks of every modality, those of another than the target's together counting as
one task; how large gains are, where all scores are middling, from the target's own modality alone: texts that a pretrained backbone
reads gain a few points, images that an untrained one sees gain tens.

The spread around a prediction is not the model's own but measured (cross-conformal prediction, Vovk 2015): the errors made on each
task when all of it was left out, or on each target where there is one task alone. Every task counts the same in it, and as they are
few, errors are widened as those of the mean of so many and one more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rootstock.records import Outcome, sources_of
from rootstock.similarity.evidence import JOINED_SOURCES, LEVEL, STANDING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Penalties on squared weights, for evidence of unit variance and equal tasks.
STANDING_RIDGE, LEVEL_RIDGE = 0.3, 0.3

#: What texts gain says little of how far off a prediction for images is, but one task alone says nothing.
ENOUGH_TASKS = 2

#: Past outcomes with twice or half as many labelled rows a class count exp(-1/2) as much.
DOUBLINGS = 1.0

#: A team's mean surprise counts half once it has so many outcomes of its own.
HALF_TRUST = 8.0

#: Gains of a task's sources differ by a tenth of a point at least: below that, it is the rows that differ.
SMALLEST_SPREAD = 1e-3


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
    """evidence that may be read; only standings and levels are"""
    kin: frozenset[str] = frozenset()
    """tasks of the target's modality: the others count together as one, and where there are two of these, their errors alone tell
    the spread of a prediction; empty: all tasks are alike"""

    def predict(
        self, evidence: Sequence[dict[str, float | None]], sources: Sequence[str], *, rows_per_class: float, confidence: float
    ) -> list[Prediction]:
        """One prediction a candidate, for a target with so many labelled rows a class. Raises ValueError without outcomes."""
        import numpy as np

        weights = self._weights(rows_per_class)
        table = self._table(evidence)
        gains = self._fit(np.ones(len(weights), dtype=bool), weights)(table)
        errors = self._left_out_errors(weights)
        spreads = {joined: self._spread(errors, weights, joined=joined) for joined in set(table.joined.tolist())}
        shift = self._surprises(weights)
        return [
            spreads[joined].around(float(gain) + shift(source), confidence=confidence)
            for gain, source, joined in zip(gains, sources, table.joined.tolist(), strict=True)
        ]

    def _spread(self, errors: NDArray[np.float64], weights: NDArray[np.float64], *, joined: bool) -> _Spread:
        """Errors of candidates of the same kind, joined sources or single ones; of all in tasks where there were none of it."""
        import numpy as np

        of_kind = self._evidence.joined == joined
        judged = self._judged & (of_kind | ~np.isin(self._tasks, self._tasks[of_kind]))
        return _Spread(errors[judged], _equal_shares(weights[judged], self._tasks[judged]) * judged.sum())

    @cached_property
    def _tasks(self) -> NDArray[np.str_]:
        import numpy as np

        return np.array([outcome.task for outcome in self.bundled])

    @cached_property
    def _gains(self) -> NDArray[np.float64]:
        import numpy as np

        return np.array([outcome.realised for outcome in self.bundled])

    @cached_property
    def _evidence(self) -> _Evidence:
        return self._table([outcome.evidence for outcome in self.bundled])

    def _table(self, evidence: Sequence[dict[str, float | None]]) -> _Evidence:
        import numpy as np

        return _Evidence(
            _array(evidence, [name for name in self.names if name.endswith(STANDING)]),
            _array(evidence, [name for name in self.names if name.endswith(LEVEL)]),
            np.array([(each.get(JOINED_SOURCES) or 1) > 1 for each in evidence], dtype=bool),
        )

    def _weights(self, rows_per_class: float) -> NDArray[np.float64]:
        import numpy as np

        doublings = np.array([math.log2(outcome.labelled_rows / outcome.classes / rows_per_class) for outcome in self.bundled])
        nearest = float(np.abs(doublings).min())  # farther than any: the nearest count in full
        return np.asarray(np.exp(-0.5 * ((np.abs(doublings) - nearest) / DOUBLINGS) ** 2))

    @cached_property
    def _judged(self) -> NDArray[np.bool_]:
        """(n,) outcomes whose errors count."""
        import numpy as np

        of_kin = np.isin(self._tasks, list(self.kin))
        return of_kin if len(np.unique(self._tasks[of_kin])) >= ENOUGH_TASKS else np.ones(len(self.bundled), dtype=bool)

    def _shares(self, weights: NDArray[np.float64], tasks: NDArray[np.str_]) -> NDArray[np.float64]:
        """Weights that sum to one: the same for every task of the target's modality, and for all others together."""
        import numpy as np

        shares = _equal_shares(weights, tasks)
        if self.kin:
            others = ~np.isin(tasks, list(self.kin))
            shares = np.where(others, shares / max(1, len(np.unique(tasks[others]))), shares)
        return np.asarray(shares / max(float(shares.sum()), 1e-300))

    def _mean_of_kin(self, values: NDArray[np.float64], weights: NDArray[np.float64], tasks: NDArray[np.str_]) -> float:
        """Of all values where no task is of the target's modality."""
        import numpy as np

        of_kin = weights * np.isin(tasks, list(self.kin))
        return float((of_kin if of_kin.sum() > 0 else weights) @ values / (of_kin.sum() or 1.0))

    def _fit(self, kept: NDArray[np.bool_], weights: NDArray[np.float64]) -> Callable[[_Evidence], NDArray[np.float64]]:
        """What predicts gains, learned from the ``kept`` outcomes."""
        import numpy as np

        tasks, gains, joined = self._tasks[kept], self._gains[kept], self._evidence.joined[kept]
        standing, level = self._evidence.standing[kept], self._evidence.level[kept]
        weights, joined_weights = (self._shares(weights[kept] * part, tasks) for part in (~joined, joined))
        rankings = np.array([f"{o.task}/{o.target}/{o.labelled_rows}" for o, yes in zip(self.bundled, kept, strict=True) if yes])
        apart = gains - _means(gains, rankings, weights)
        spread = np.maximum(np.sqrt(_means(apart**2, tasks, weights)), SMALLEST_SPREAD)
        slopes = _not_negative(standing, apart / spread, weights, ridge=STANDING_RIDGE)
        # The penalty is there to share weights among scores that agree, not to make gains look smaller: their sum is fitted freely.
        slopes = slopes * _stretch(np.nan_to_num(standing) @ slopes, apart / spread, weights)
        surplus = float(joined_weights @ (apart / spread - np.nan_to_num(standing) @ slopes)) / max(
            float(joined_weights.sum()), 1e-300
        )
        usual_spread = float(np.exp(weights @ np.log(spread)))
        mean = float(weights @ gains)
        centre = _centre(level, weights)
        levels = _not_negative(level - centre, gains - mean, weights, ridge=LEVEL_RIDGE * float(_variance(level, centre, weights)))

        mean = self._mean_of_kin(gains - np.nan_to_num(level - centre) @ levels, weights, tasks)

        def predict(evidence: _Evidence) -> NDArray[np.float64]:
            above = np.nan_to_num(evidence.level - centre) @ levels
            return np.asarray(mean + above + usual_spread * (np.nan_to_num(evidence.standing) @ slopes + surplus * evidence.joined))

        return predict

    def _left_out_errors(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) gain less prediction of each bundled outcome, predicted without its task, or all that its target took part in."""
        import numpy as np

        targets = np.array([outcome.target for outcome in self.bundled])
        units = self._tasks if len(np.unique(self._tasks)) > 1 else targets
        errors = np.zeros(len(targets))
        for unit in np.unique(units):
            held = units == unit
            rest = ~held if units is self._tasks else ~held & ~self._learned_from(str(unit))
            if rest.sum() >= 2:
                errors[held] = self._gains[held] - self._fit(rest, weights)(self._evidence.of(held))
        return errors * _widening(len(np.unique(units[self._judged])))

    def _learned_from(self, source: str) -> NDArray[np.bool_]:
        """(n,) outcomes of the source, or of others joined with it."""
        import numpy as np

        return np.array([source in sources_of(outcome.source) for outcome in self.bundled])

    def _surprises(self, weights: NDArray[np.float64]) -> _Shift:
        """What the team's own outcomes were above what was to be expected, in all and by source, drawn towards nothing."""
        import numpy as np

        if not self.own:
            return _Shift(0.0, {})
        said = self._fit(np.ones(len(weights), dtype=bool), weights)(self._table([outcome.evidence for outcome in self.own]))
        errors = [outcome.realised - float(value) for outcome, value in zip(self.own, said, strict=True)]
        overall = sum(errors) / (len(errors) + HALF_TRUST)
        by_source: dict[frozenset[str], list[float]] = {}
        for outcome, error in zip(self.own, errors, strict=True):
            by_source.setdefault(frozenset(sources_of(outcome.source)), []).append(error - overall)
        return _Shift(overall, {source: sum(each) / (len(each) + HALF_TRUST) for source, each in by_source.items()})


@dataclass(frozen=True)
class _Spread:
    """Errors made before, and how much each counts."""

    errors: NDArray[np.float64]
    mass: NDArray[np.float64]

    def around(self, gain: float, *, confidence: float) -> Prediction:
        import numpy as np

        tail = (1 - confidence) / 2
        order = np.argsort(self.errors)
        shares = np.cumsum(self.mass[order]) / self.mass.sum()
        places = np.minimum(np.searchsorted(shares, [tail, 1 - tail]), len(order) - 1)
        low, high = (float(error) for error in self.errors[order][places])
        risk = (float(self.mass[self.errors < -gain].sum()) + 0.5) / (float(self.mass.sum()) + 1.0)
        return Prediction(gain, gain + low, gain + high, risk)


@dataclass(frozen=True)
class _Evidence:
    standing: NDArray[np.float64]
    """(n, d), NaN where there is no score"""
    level: NDArray[np.float64]
    """(n, l), NaN where there is no score"""
    joined: NDArray[np.bool_]
    """(n,) several sources learned from together"""

    def of(self, rows: NDArray[np.bool_]) -> _Evidence:
        return _Evidence(self.standing[rows], self.level[rows], self.joined[rows])


@dataclass(frozen=True)
class _Shift:
    overall: float
    by_source: dict[frozenset[str], float]
    """in whatever order they were joined"""

    def __call__(self, source: str) -> float:
        return self.overall + self.by_source.get(frozenset(sources_of(source)), 0.0)


def _array(evidence: Sequence[dict[str, float | None]], names: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    rows = [[np.nan if (value := each.get(name)) is None else value for name in names] for each in evidence]
    return np.array(rows, dtype=float).reshape(len(evidence), len(names))


def _equal_shares(weights: NDArray[np.float64], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Weights that sum to one, the same for every group that has any."""
    import numpy as np

    _, place = np.unique(groups, return_inverse=True)
    shares = np.maximum(np.bincount(place, weights=weights), 1e-300)
    return np.asarray(weights / shares[place] / len(shares))


def _means(values: NDArray[np.float64], groups: NDArray[np.str_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) weighted mean of each one's group."""
    import numpy as np

    _, place = np.unique(groups, return_inverse=True)
    return np.asarray((np.bincount(place, weights * values) / np.maximum(np.bincount(place, weights), 1e-300))[place])


def _centre(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    known = ~np.isnan(values)
    return np.asarray((weights @ np.nan_to_num(values)) / np.maximum(weights @ known, 1e-12))


def _variance(values: NDArray[np.float64], centre: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    import numpy as np

    spread = weights @ np.nan_to_num(values - centre) ** 2
    return float(spread.mean()) if len(spread) else 1.0


def _not_negative(
    evidence: NDArray[np.float64], wanted: NDArray[np.float64], weights: NDArray[np.float64], *, ridge: float
) -> NDArray[np.float64]:
    """(d,) weights, none below zero, of a ridge regression of ``wanted`` (n,) on ``evidence`` (n, d); a missing score counts 0."""
    import numpy as np
    from scipy.optimize import nnls

    count = evidence.shape[1]
    if not count:
        return np.zeros(0)
    root = np.sqrt(weights)
    # Normal equations by their root: d + 1 rows instead of n.
    design = np.column_stack([np.nan_to_num(evidence), wanted]) * root[:, None]
    square: NDArray[np.float64] = np.asarray(np.linalg.qr(design, mode="r"))
    rows = np.vstack([square[:, :count], math.sqrt(max(ridge, 1e-12)) * np.eye(count)])
    return np.asarray(nnls(rows, np.concatenate([square[:, count], np.zeros(count)]))[0])


def _stretch(said: NDArray[np.float64], wanted: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Slope of ``wanted`` (n,) on what is ``said`` (n,) of it."""
    power = float(weights @ said**2)
    return float(weights @ (said * wanted)) / power if power > 0 else 1.0


def _widening(units: int) -> float:
    """One more unit is off by its own error, and the mean of so many by theirs."""
    return math.sqrt(1 + 1 / units)
