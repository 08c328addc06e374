"""Difference in accuracy between two models on the same rows, as the report shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rootstock.paired import pair_of, score_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
    inflation: float = 1.0
    """of the variance of a mean over these rows, by ``EvalReport`` and by their groups; the interval is widened for it"""

    @property
    def settled(self) -> bool:
        """Whether the interval excludes nought."""
        return self.low > 0 or self.high < 0


def paired_difference(
    first: Sequence[bool],
    second: Sequence[bool],
    *,
    confidence: float,
    inflation: float = 1.0,
    groups: NDArray[np.int64] | None = None,
) -> Difference:
    """The difference with its score interval: the same that the gates use.

    Raises ValueError if the two are not of one length, or empty.
    """
    import numpy as np

    pair = pair_of(np.asarray(first, dtype=bool), np.asarray(second, dtype=bool), inflation=inflation, groups=groups)
    low, high = score_interval(pair, confidence=confidence)
    return Difference(pair.difference, low, high, pair.wins, pair.losses, pair.n, pair.inflation)
