"""Two models on the same rows: whether one is better, by how much, and how many rows it would take to know.

Only rows that one has right and the other wrong tell anything. Differences are accuracy of the first minus that of the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING

from rootstock.groups import design_effect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

#: Chance that the number of rows named would settle the question, if the difference is what was seen.
POWER = 0.8


@dataclass(frozen=True)
class Pair:
    """How two models differ over n rows."""

    wins: int
    """rows only the first has right"""
    losses: int
    """rows only the second has right"""
    n: int
    inflation: float = 1.0
    """by how much the variance of a mean over these rows exceeds that of so many independent rows (see ``EvalReport``): tests and
    limits then take them for ``n / inflation`` rows, with wins and losses in proportion"""

    @property
    def difference(self) -> float:
        """Accuracy of the first minus accuracy of the second."""
        return (self.wins - self.losses) / self.n

    @property
    def counted(self) -> str:
        """The rows, for people; and for how many independent ones they count where those are fewer."""
        worth = round(self.n / self.inflation)
        return f"{self.n} rows" if worth == self.n else f"{self.n} rows that count for {worth}"

    @property
    def discordance(self) -> float:
        """Share of rows that tell them apart."""
        return (self.wins + self.losses) / self.n


def pair_of(
    first: NDArray[np.bool_], second: NDArray[np.bool_], *, inflation: float = 1.0, groups: NDArray[np.int64] | None = None
) -> Pair:
    """Compare two (n,) masks of rows right; rows of one of the ``groups`` (n,) count for fewer, by their design effect.

    Raises ValueError if the two are not of one length, or empty.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"expected two answers to the same rows, at least one, found {len(first)} and {len(second)}")
    wins, losses = first & ~second, second & ~first
    inflation *= design_effect(wins.astype(float) - losses.astype(float), groups)
    return Pair(wins=int(wins.sum()), losses=int(losses.sum()), n=len(first), inflation=inflation)


def reverse(pair: Pair) -> Pair:
    """The same with first and second exchanged."""
    return replace(pair, wins=pair.losses, losses=pair.wins)


def mcnemar_exact(pair: Pair) -> float:
    """One-sided p-value against "the first is not better": P(X >= wins), X ~ Binomial(wins + losses, 1/2); 1 without discordance.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12,
    1947, in its exact form. Never liberal: under equal accuracies P(p <= alpha) <= alpha at any n. Counts that an inflation made
    fractions of enter through the incomplete beta function, which is that probability for whole ones.
    """
    from scipy.special import betainc

    wins, losses = pair.wins / pair.inflation, pair.losses / pair.inflation
    return float(betainc(wins, losses + 1, 0.5)) if wins else 1.0


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjusted p-values, in the order given: rejecting those at or below alpha errs in any of them with probability <= alpha.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = running
    return tuple(adjusted)


def score_interval(pair: Pair, *, confidence: float) -> tuple[float, float]:
    """Limits of the difference in accuracy: those differences that a score test does not reject.

    T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design", Statistics
    in Medicine 17, 1998. It has a width even where the two models answer alike, and keeps its coverage with few rows.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    high = _limit(pair, z)
    low = -_limit(reverse(pair), z)
    return min(low, pair.difference), max(high, pair.difference)


def _limit(pair: Pair, z: float) -> float:
    """The largest difference whose score statistic stays above -z."""
    from scipy.optimize import brentq

    def excess(difference: float) -> float:
        return score_of(pair, difference) + z

    most = 1 - 1e-10
    if pair.difference >= most or excess(most) > 0:
        return 1.0
    return float(brentq(excess, pair.difference, most, xtol=1e-10))


def score_of(pair: Pair, difference: float) -> float:
    """Tango's statistic of one pair."""
    return float(score_statistic(pair.wins, pair.losses, pair.n, difference)) / math.sqrt(pair.inflation)


def score_statistic(wins: ArrayLike, losses: ArrayLike, n: int, difference: float) -> NDArray[np.float64]:
    """Tango's eq. 2 for each pair of counts among n rows, with the constrained maximum-likelihood estimate of eq. 4.

    Large where the first is better than the second by more than ``difference``; normal where it is so by just that.
    """
    import numpy as np

    b, c = np.asarray(wins, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    b1 = -b - c + (2 * n - b + c) * difference
    root = np.sqrt(np.maximum(b1 * b1 + 8 * n * c * difference * (1 - difference), 0.0))
    variance = n * ((root - b1) / (2 * n) + difference * (1 - difference))
    distance = b - c - n * difference
    scaled = np.divide(distance, np.sqrt(np.maximum(variance, 0.0)), out=np.zeros_like(distance), where=variance > 0)
    found: NDArray[np.float64] = np.where(variance > 0, scaled, np.where(distance == 0, 0.0, np.copysign(np.inf, distance)))
    return found


def rows_to_show_better(pair: Pair, *, alpha: float) -> int | None:
    """Rows in all at which McNemar's one-sided test would be significant with 80% power; None unless the first leads.

    R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43, 1987.
    """
    d, discordance = pair.difference, pair.discordance
    if d <= 0:
        return None
    spread = _z(alpha) * math.sqrt(discordance) + _z(1 - POWER) * math.sqrt(max(discordance - d * d, 0.0))
    return math.ceil(pair.inflation * (spread / d) ** 2)


def rows_to_exclude(pair: Pair, difference: float, *, alpha: float) -> int | None:
    """Rows in all at which the one-sided limit would exclude ``difference`` with 80% power; None if that is what was seen.

    The usual normal approximation for a paired difference (Connor 1987, with a shifted null). Where the models hardly differ, what
    the score interval needs without any discordance: n > z^2 (1 - |difference|) / |difference|.
    """
    distance = abs(pair.difference - difference)
    if distance < 1e-12:
        return None
    variance = max(pair.discordance - pair.difference**2, 0.0)
    needed = (_z(alpha) + _z(1 - POWER)) ** 2 * variance / distance**2
    return math.ceil(pair.inflation * max(needed, _z(alpha) ** 2 * (1 - min(distance, 1.0)) / distance))


def more_rows(needed: int | None, n: int, *, of: str = "") -> str:
    """The sentence that says what would settle it, with two figures' precision; ``of`` says of which rows, such as " of news"."""
    if needed is None:
        return "no number of rows would settle it if the difference stays what it is"
    more = max(needed - n, 1)
    digits = max(len(str(more)) - 2, 0)
    return f"about {round(more, -digits):,} more labelled rows{of} to test on would settle it"


def _z(tail: float) -> float:
    return NormalDist().inv_cdf(1 - tail)
