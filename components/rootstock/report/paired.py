"""Difference in accuracy between two models on the same rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

#: Halvings of the interval in which a limit is sought: to the precision of a float.
BISECTIONS = 54


@dataclass(frozen=True)
class Difference:
    """Share of rows right, first minus second."""

    value: float
    low: float
    high: float
    wins: int
    """rows only the first has right"""
    losses: int
    """rows only the second has right"""
    n: int

    @property
    def settled(self) -> bool:
        """Whether the interval excludes nought."""
        return self.low > 0 or self.high < 0


def paired_difference(first: Sequence[bool], second: Sequence[bool], *, confidence: float) -> Difference:
    """The difference with its score interval: those differences that a score test does not reject.

    T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample design", Statistics
    in Medicine 17, 1998: the same interval as the gates use. Raises ValueError if the two are not of one length, or empty.
    """
    pairs = list(zip(first, second, strict=True))
    if not pairs:
        raise ValueError("expected at least one row to compare, found none")
    n = len(pairs)
    wins = sum(bool(a) and not b for a, b in pairs)
    losses = sum(bool(b) and not a for a, b in pairs)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    low, high = -_limit(losses, wins, n, z), _limit(wins, losses, n, z)
    return Difference((wins - losses) / n, low, high, wins, losses, n)


def _limit(wins: int, losses: int, n: int, z: float) -> float:
    """The largest difference that is not rejected, by bisection: the score falls as the difference grows."""
    inside, outside = (wins - losses) / n, 1.0
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if _score(wins, losses, n, middle) > -z else (inside, middle)
    return inside


def _score(wins: int, losses: int, n: int, difference: float) -> float:
    """Tango's equation 2, with the likelihood's maximum for the second's wins under the difference (equation 4)."""
    linear = -wins - losses + (2 * n - wins + losses) * difference
    constant = -losses * difference * (1 - difference)
    share = (math.sqrt(max(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)
    variance = n * (2 * share + difference * (1 - difference))
    distance = wins - losses - n * difference
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0
