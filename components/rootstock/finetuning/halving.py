"""Successive halving: candidates are tried on few source rows, the better half on twice as many, until one is left.

Z. Karnin, T. Koren, O. Somekh, "Almost optimal exploration in multi-armed bandits", ICML 2013; K. Jamieson, A. Talwalkar,
"Non-stochastic best arm identification and hyperparameter optimization", AISTATS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootstock.groups import design_effect
from rootstock.paired import pair_of, score_interval
from rootstock.params import HalvingParams
from rootstock.records import HalvingScore, Measure, Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PERMUTATIONS = 9999


class Trial(Value):
    """What came of one short tuning, on the target's n labelled rows, each predicted by a head that did not see it."""

    source_rows: int
    row_passes: int
    """rows times epochs spent on tuning"""
    losses: tuple[float, ...]
    """(n,) log loss, nats"""
    correct: tuple[bool, ...]
    """(n,)"""

    @property
    def log_loss(self) -> float:
        """Mean over rows."""
        return sum(self.losses) / len(self.losses)

    @property
    def accuracy(self) -> float:
        """Share of rows right."""
        return sum(self.correct) / len(self.correct)


@dataclass(frozen=True)
class Race:
    """How it went; the winner is the first of the last round."""

    rounds: tuple[tuple[HalvingScore, ...], ...]
    """best first in each"""
    clear: bool
    """whether the winner beat every other one of the last round beyond chance"""
    row_passes: int

    @property
    def winner(self) -> HalvingScore:
        """The best of the last round."""
        return self.rounds[-1][0]


def run_race(
    sizes: Mapping[str, int],
    attempt: Callable[[str, int], Trial],
    *,
    control: Trial,
    halving: HalvingParams,
    confidence: float,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> Race:
    """Race two candidates or more; ``sizes`` holds the rows of each one's source (of one of several), most promising first.

    ``groups`` (n,) says which of the target's rows hang together; None where none do.

    ``attempt(name, rows)`` tunes a candidate on so many rows. After each round the half with the lower mean log loss goes on with
    twice the rows. It ends when one is left, when those left have no more rows to learn from, or when the leader is clear: the
    paired test has p <= alpha / (rounds x (candidates in the round - 1)) against every other one of the round. A candidate that is
    not the best has to beat the best to be called clear, one of (candidates - 1) may do so by chance, and there are so many
    rounds: the chance of calling a wrong leader clear is alpha at most over all comparisons (Bonferroni over rounds and wrong
    leaders; approximately, as rows held out together share a fit).
    """
    left, rows, looks = list(sizes), halving.source_rows, rounds_at_most(len(sizes))
    rounds: list[tuple[HalvingScore, ...]] = []
    spent = 0
    while True:
        trials = {name: attempt(name, min(rows, sizes[name])) for name in left}
        spent += sum(trial.row_passes for trial in trials.values())
        order = sorted(left, key=lambda name: trials[name].log_loss)
        level = halving.alpha / (looks * (len(order) - 1))
        leader = trials[order[0]].losses
        beaten = [name for name in order[1:] if paired_p_value(leader, trials[name].losses, seed=seed, groups=groups) <= level]
        clear = len(beaten) == len(order) - 1
        kept = order[: math.ceil(len(order) / 2)]
        if clear or all(sizes[name] <= rows for name in kept):
            kept = kept[:1]
        rounds.append(
            tuple(
                _score(
                    name,
                    trials[name],
                    control=control,
                    confidence=confidence,
                    kept=name in kept,
                    beaten=name in beaten,
                    groups=groups,
                )
                for name in order
            )
        )
        if len(kept) == 1:
            return Race(tuple(rounds), clear, spent)
        left, rows = kept, 2 * rows


def rounds_at_most(candidates: int) -> int:
    """Rounds until halving, rounded up, leaves one."""
    return max(1, math.ceil(math.log2(candidates)))


def trials_at_most(candidates: int) -> int:
    """Short tunings in all, if no leader is clear before the end."""
    total = 0
    while candidates > 1:
        total += candidates
        candidates = math.ceil(candidates / 2)
    return total


def paired_p_value(leader: Sequence[float], other: Sequence[float], *, seed: int, groups: NDArray[np.int64] | None = None) -> float:
    """One-sided p-value against "the leader's losses are not lower": signs of the n paired differences are exchanged at random.

    R. A. Fisher, "The Design of Experiments", 1935; exact where all 2^n signs can be tried, drawn with ``seed`` otherwise. Rows of
    one of the ``groups`` (n,) change their sign together.
    """
    import numpy as np
    from scipy.stats import permutation_test

    differences = np.asarray(other) - np.asarray(leader)
    if groups is not None:
        differences = np.bincount(np.unique(groups, return_inverse=True)[1], differences)
    if not differences.any():
        return 1.0
    found = permutation_test(
        (differences,), _mean, permutation_type="samples", vectorized=True, n_resamples=PERMUTATIONS, alternative="greater",
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(found.pvalue)


def _mean(values: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    import numpy as np

    return np.asarray(values.mean(axis=axis))


def _score(
    name: str,
    trial: Trial,
    *,
    control: Trial,
    confidence: float,
    kept: bool,
    beaten: bool,
    groups: NDArray[np.int64] | None,
) -> HalvingScore:
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    n, effect = len(trial.correct), design_effect(np.array(trial.correct, dtype=float), groups)
    low, high = proportion_confint(sum(trial.correct) / effect, n / effect, alpha=1 - confidence, method="wilson")
    pair = pair_of(np.array(trial.correct), np.array(control.correct), groups=groups)
    worst, best = score_interval(pair, confidence=confidence)
    return HalvingScore(
        name=name,
        source_rows=trial.source_rows,
        log_loss=trial.log_loss,
        accuracy=Measure(value=trial.accuracy, low=float(low), high=float(high), n=n, unit="share", higher_is_better=True),
        gain=Measure(value=pair.difference, low=worst, high=best, n=n, unit="share", higher_is_better=True),
        kept=kept,
        beaten=beaten,
    )
