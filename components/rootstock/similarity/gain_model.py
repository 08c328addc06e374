"""Predict what a candidate gains over no transfer, from what came of others like it.

A predicted gain has two parts. The *standing* of a candidate among the sources of its ranking is a weighted sum of where each score
puts it. Weights are not negative, as every score is higher for better by design: with few tasks to learn from, that says more than
any penalty (Dawes 1979, "The robust beauty of improper linear models"; scores that agree share a weight instead of cancelling).
They are *shared* by all scores that explain gains, or those of the few scores *selected* as they order sources best: whichever way
orders better those tasks, or targets of the one task, that were left out. The *level* of a ranking is what its sources gain on the
whole, from cross-validated gains of the scores in units of accuracy. Sources that are learned from together gain what they would
gain on average, and more by the *surplus* of such candidates before.

How scores tell better from worse is learned from tasks of every modality, those of another than the target's together counting as
one task; how large gains are, where all scores are middling, from the target's own modality alone: texts that a pretrained backbone
reads gain a few points, images that an untrained one sees gain tens.

The spread around a prediction is not the model's own but measured (cross-conformal prediction, Vovk 2015): the errors made on each
task when all of it was left out, or on each target where there is one task alone. Every task counts the same in it, and as they are
few, errors are widened as those of the mean of so many and one more.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rootstock.records import Outcome, sources_of
from rootstock.similarity.ensemble_selection import concordance, select_ensemble
from rootstock.similarity.evidence import JOINED_SOURCES, LEVEL, STANDING
from rootstock.similarity.own_history import HALF_TRUST, left_out_errors, shift_of
from rootstock.similarity.prediction import Prediction, Spread
from rootstock.similarity.weighted import equal_shares, group_means, known_mean, known_variance, non_negative_ridge, stretch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Penalties on squared weights, for evidence of unit variance and equal tasks.
STANDING_RIDGE, LEVEL_RIDGE = 0.3, 0.3

#: What texts gain says little of how far off a prediction for images is, but one task alone says nothing.
ENOUGH_TASKS = 2

#: Past outcomes with twice or half as many labelled rows a class count exp(-1/2) as much.
DOUBLINGS = 1.0

#: Ways to weigh scores: by all that explain gains, or by the few that order best.
SHARED, SELECTED = "shared", "selected"

#: A task of so many targets counts half as much as one of very many.
HALF_KNOWN = 10.0

#: Gains of a task's sources differ by a tenth of a point at least: below that, it is the rows that differ.
SMALLEST_SPREAD = 1e-3


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
        self,
        evidence: Sequence[dict[str, float | None]],
        sources: Sequence[str],
        *,
        target: str,
        nearness: Mapping[str, float],
        rows_per_class: float,
        confidence: float,
    ) -> list[Prediction]:
        """One prediction a candidate, for a target with so many labelled rows a class. Raises ValueError without outcomes.

        ``nearness`` says of data sets how near they lie to the ``target``: the team's outcomes on those tell the more of a source.
        """
        import numpy as np

        table = self._table(evidence)
        weights = self._weights(rows_per_class)
        way, errors = self._way_and_errors(weights)
        fitted = self._fit(np.ones(len(weights), dtype=bool), weights, way)
        gains = fitted(table)
        surprises = self._surprises(fitted)
        usual = self._usual_error(errors, weights)
        shifts = shift_of(self.own, surprises, usual_error=usual, sources=sources, target=target, nearness=nearness)
        left = left_out_errors(self.own, surprises, usual_error=usual) if self.own else np.zeros(0)
        spreads = {joined: self._spread(errors, weights, left, joined=joined) for joined in set(table.joined.tolist())}
        return [
            spreads[joined].around(float(gain), confidence=confidence)
            for gain, joined in zip(gains + shifts, table.joined.tolist(), strict=True)
        ]

    def _usual_error(self, errors: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
        """Root mean square of the errors on bundled outcomes, left out."""
        shares = equal_shares(weights[self._judged], self._tasks[self._judged])
        return math.sqrt(float(shares @ errors[self._judged] ** 2))

    def _spread(
        self, errors: NDArray[np.float64], weights: NDArray[np.float64], left: NDArray[np.float64], *, joined: bool
    ) -> Spread:
        """Errors of candidates of the same kind, joined sources or single ones; of all in tasks where there were none of it.

        Those ``left`` (n,) of the team's own outcomes, each of its targets left out in turn, are those of one more task, which
        counts in full once it has many targets.
        """
        import numpy as np

        of_kind = self._evidence.joined == joined
        judged = self._judged & (of_kind | ~np.isin(self._tasks, self._tasks[of_kind]))
        shares = equal_shares(weights[judged], self._tasks[judged])
        mine = self._table([outcome.evidence for outcome in self.own]).joined == joined
        if not mine.any():
            return Spread(errors[judged], shares * judged.sum())
        own = left[mine]
        targets = np.array([f"{outcome.task}/{outcome.target}" for outcome in self.own])[mine]
        count = len(np.unique(targets))
        share = count / (count + HALF_TRUST) / len(np.unique(self._tasks[judged]))
        mass = np.concatenate([shares, share * equal_shares(np.ones(len(own)), targets)])
        return Spread(np.concatenate([errors[judged], own * _widening(count)]), mass / mass.sum() * len(mass))

    @cached_property
    def _tasks(self) -> NDArray[np.str_]:
        import numpy as np

        return np.array([outcome.task for outcome in self.bundled])

    @cached_property
    def _known(self) -> dict[str, float]:
        """Task -> how well it is known, 0 to 1, by how many targets it has."""
        pairs = {(outcome.task, outcome.target) for outcome in self.bundled}
        return {task: count / (count + HALF_KNOWN) for task, count in Counter(task for task, _ in pairs).items()}

    @cached_property
    def _rankings(self) -> NDArray[np.str_]:
        import numpy as np

        return np.array([f"{outcome.task}/{outcome.target}/{outcome.labelled_rows}" for outcome in self.bundled])

    @cached_property
    def _sources(self) -> NDArray[np.str_]:
        import numpy as np

        return np.array([outcome.source for outcome in self.bundled])

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
        """Weights that sum to one: for every task by how many targets it has, and for all of other modalities as for one task."""
        import numpy as np

        known = self._known
        shares = equal_shares(weights, tasks) * np.array([known[task] for task in tasks.tolist()])
        if self.kin:
            others = ~np.isin(tasks, list(self.kin))
            shares = np.where(others, shares / max(1, len(np.unique(tasks[others]))), shares)
        return np.asarray(shares / max(float(shares.sum()), 1e-300))

    def _mean_of_kin(self, values: NDArray[np.float64], weights: NDArray[np.float64], tasks: NDArray[np.str_]) -> float:
        """Of all values where no task is of the target's modality."""
        import numpy as np

        of_kin = weights * np.isin(tasks, list(self.kin))
        return float((of_kin if of_kin.sum() > 0 else weights) @ values / (of_kin.sum() or 1.0))

    def _fit(self, kept: NDArray[np.bool_], weights: NDArray[np.float64], way: str) -> Callable[[_Evidence], NDArray[np.float64]]:
        """What predicts gains, learned from the ``kept`` outcomes."""
        import numpy as np

        tasks, gains, joined = self._tasks[kept], self._gains[kept], self._evidence.joined[kept]
        standing, level = self._evidence.standing[kept], self._evidence.level[kept]
        weights, joined_weights = (self._shares(weights[kept] * part, tasks) for part in (~joined, joined))
        rankings = self._rankings[kept]
        apart = gains - group_means(gains, rankings, weights)
        spread = np.maximum(np.sqrt(group_means(apart**2, tasks, weights)), SMALLEST_SPREAD)
        if way == SELECTED:
            slopes = select_ensemble(standing, gains, rankings=rankings, sources=self._sources[kept], weights=weights)
        else:
            slopes = non_negative_ridge(standing, apart / spread, weights, ridge=STANDING_RIDGE)
        # The penalty is there to share weights among scores that agree, not to make gains look smaller: their sum is fitted freely.
        slopes = slopes * stretch(np.nan_to_num(standing) @ slopes, apart / spread, weights)
        surplus = float(joined_weights @ (apart / spread - np.nan_to_num(standing) @ slopes)) / max(
            float(joined_weights.sum()), 1e-300
        )
        usual_spread = float(np.exp(weights @ np.log(spread)))
        mean = float(weights @ gains)
        centre = known_mean(level, weights)
        levels = non_negative_ridge(
            level - centre, gains - mean, weights, ridge=LEVEL_RIDGE * float(known_variance(level, centre, weights))
        )

        mean = self._mean_of_kin(gains - np.nan_to_num(level - centre) @ levels, weights, tasks)

        def predict(evidence: _Evidence) -> NDArray[np.float64]:
            above = np.nan_to_num(evidence.level - centre) @ levels
            return np.asarray(mean + above + usual_spread * (np.nan_to_num(evidence.standing) @ slopes + surplus * evidence.joined))

        return predict

    def _way_and_errors(self, weights: NDArray[np.float64]) -> tuple[str, NDArray[np.float64]]:
        """The way to weigh scores that orders best what is left out, and (n,) the errors it makes there, widened."""
        import numpy as np

        targets = np.array([outcome.target for outcome in self.bundled])
        units = self._tasks if len(np.unique(self._tasks)) > 1 else targets
        said = {way: self._left_out(weights, way, units) for way in (SHARED, SELECTED)}
        single = ~self._evidence.joined & self._judged
        orders = {
            way: [self._concordance(each, single & (units == unit)) for unit in np.unique(units[single])]
            for way, each in said.items()
        }
        way = SELECTED if sum(orders[SELECTED]) > sum(orders[SHARED]) + 1e-9 else SHARED
        return way, (self._gains - said[way]) * _widening(len(np.unique(units[self._judged])))

    def _concordance(self, said: NDArray[np.float64], chosen: NDArray[np.bool_]) -> float:
        return concordance(said[chosen], self._gains[chosen], rankings=self._rankings[chosen], sources=self._sources[chosen])

    def _left_out(self, weights: NDArray[np.float64], way: str, units: NDArray[np.str_]) -> NDArray[np.float64]:
        """(n,) prediction of each bundled outcome, without its task, or without all that its target took part in."""
        import numpy as np

        said = self._gains.copy()
        for unit in np.unique(units):
            held = units == unit
            rest = ~held if units is self._tasks else ~held & ~self._learned_from(str(unit))
            if rest.sum() >= 2:
                said[held] = self._fit(rest, weights, way)(self._evidence.of(held))
        return said

    def _learned_from(self, source: str) -> NDArray[np.bool_]:
        """(n,) outcomes of the source, or of others joined with it."""
        import numpy as np

        return np.array([source in sources_of(outcome.source) for outcome in self.bundled])

    def _surprises(self, fitted: Callable[[_Evidence], NDArray[np.float64]]) -> list[float]:
        """What each of the team's own outcomes was above what was to be expected."""
        if not self.own:
            return []
        said = fitted(self._table([outcome.evidence for outcome in self.own]))
        return [outcome.realised - float(value) for outcome, value in zip(self.own, said, strict=True)]


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


def _array(evidence: Sequence[dict[str, float | None]], names: Sequence[str]) -> NDArray[np.float64]:
    import numpy as np

    rows = [[np.nan if (value := each.get(name)) is None else value for name in names] for each in evidence]
    return np.array(rows, dtype=float).reshape(len(evidence), len(names))


def _widening(units: int) -> float:
    """One more unit is off by its own error, and the mean of so many by theirs."""
    return math.sqrt(1 + 1 / units)
