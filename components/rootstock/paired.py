"""Two models on the same rows: whether one is better, by how much, and how many rows it would take to know.

Only rows that one has right and the other wrong tell anything. Differences are accuracy of the first minus that of the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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

    @property
    def difference(self) -> float:
        """Accuracy of the first minus accuracy of the second."""
        return (self.wins - self.losses) / self.n

    @property
    def discordance(self) -> float:
        """Share of rows that tell them apart."""
        return (self.wins + self.losses) / self.n


def pair_of(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Pair:
    """Compare two (n,) masks of rows right. Raises ValueError if they are not of one length, or empty."""
    if len(first) != len(second) or not len(first):
        raise ValueError(f"expected two answers to the same rows, at least one, found {len(first)} and {len(second)}")
    return Pair(wins=int((first & ~second).sum()), losses=int((second & ~first).sum()), n=len(first))


def mcnemar_exact(pair: Pair) -> float:
    """One-sided p-value against "the first is not better": P(X >= wins), X ~ Binomial(wins + losses, 1/2); 1 without discordance.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika 12,
    1947, in its exact form. Never liberal: under equal accuracies P(p <= alpha) <= alpha at any n.
    """
    from scipy.stats import binomtest

    if not pair.wins + pair.losses:
        return 1.0
    return float(binomtest(pair.wins, pair.wins + pair.losses, 0.5, alternative="greater").pvalue)


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
    low = -_limit(Pair(wins=pair.losses, losses=pair.wins, n=pair.n), z)
    return min(low, pair.difference), max(high, pair.difference)


def _limit(pair: Pair, z: float) -> float:
    """The largest difference whose score statistic stays above -z."""
    from scipy.optimize import brentq

    def excess(difference: float) -> float:
        return _score(pair, difference) + z

    most = 1 - 1e-10
    if pair.difference >= most or excess(most) > 0:
        return 1.0
    return float(brentq(excess, pair.difference, most, xtol=1e-10))


def _score(pair: Pair, difference: float) -> float:
    """Tango's eq. 2 with the constrained maximum-likelihood estimate of the second's wins, eq. 4."""
    n, b, c = pair.n, pair.wins, pair.losses
    a1 = 2 * n
    b1 = -b - c + (2 * n - b + c) * difference
    c1 = -c * difference * (1 - difference)
    losses = (math.sqrt(max(b1 * b1 - 4 * a1 * c1, 0.0)) - b1) / (2 * a1)
    variance = n * (2 * losses + difference * (1 - difference))
    distance = b - c - n * difference
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0


def rows_to_show_better(pair: Pair, *, alpha: float) -> int | None:
    """Rows in all at which McNemar's one-sided test would be significant with 80% power; None unless the first leads.

    R. J. Connor, "Sample size for testing differences in proportions for the paired-sample design", Biometrics 43, 1987.
    """
    d, discordance = pair.difference, pair.discordance
    if d <= 0:
        return None
    spread = _z(alpha) * math.sqrt(discordance) + _z(1 - POWER) * math.sqrt(max(discordance - d * d, 0.0))
    return math.ceil((spread / d) ** 2)


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
    return math.ceil(max(needed, _z(alpha) ** 2 * (1 - min(distance, 1.0)) / distance))


def more_rows(needed: int | None, n: int) -> str:
    """The sentence that says what would settle it, with two figures' precision."""
    if needed is None:
        return "no number of rows would settle it if the difference stays what it is"
    more = max(needed - n, 1)
    digits = max(len(str(more)) - 2, 0)
    return f"about {round(more, -digits):,} more labelled test rows would settle it"


def _z(tail: float) -> float:
    return NormalDist().inv_cdf(1 - tail)
