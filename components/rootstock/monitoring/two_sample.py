"""Two-sample comparisons whose p-values stay honest far out in the tail.

Monitoring looks many times at many columns, so decisions fall near p = 1e-4, where the usual large-sample formulas are off by
factors for tied and sparse data. Permutation moments are exact here, and a Pearson type III curve with those moments stands for the
permutation distribution (Mielke and Berry, Permutation Methods, 2007, section 2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STIRLING = {1: (0, 1), 2: (0, 1, 1), 4: (0, 1, 7, 6, 1), 6: (0, 1, 31, 90, 65, 15, 1)}
"""p -> coefficients of x**p in falling factorials"""


@dataclass(frozen=True)
class Comparison:
    """Reference values beside current ones, one column."""

    p_value: float
    distance: float
    """Kolmogorov-Smirnov distance, 0..1: the largest gap between the two distribution functions"""
    delta: float
    """Cliff's delta, -1..1: positive when current values are larger"""
    reference_median: float
    current_median: float


def compare_values(reference: NDArray[np.float64], current: NDArray[np.float64]) -> Comparison:
    """Compare two samples, (n,) and (m,), of a number.

    The smaller p-value of a rank-sum test (sees a shift) and a Kolmogorov-Smirnov test (sees any change), doubled. Ties are
    allowed; samples without any variation that agree give p = 1.
    """
    import numpy as np
    from scipy import stats

    test = stats.ks_2samp(reference, current, method="auto")
    rank_p, delta = _rank_sum(reference, current)
    return Comparison(
        p_value=min(1.0, 2 * min(float(test.pvalue), rank_p)),
        distance=float(test.statistic),
        delta=delta,
        reference_median=float(np.median(reference)),
        current_median=float(np.median(current)),
    )


def compare_counts(reference: NDArray[np.int64], current: NDArray[np.int64]) -> tuple[float, float, float]:
    """Chi-square, p-value and total variation distance (0..1) of two count vectors over the same c classes.

    Both samples are random: reference counts are not taken as exact. The p-value is Fisher's for two occupied classes, else that
    of chi-square given the margins, from its first three moments (factorial moments of the multivariate hypergeometric law).
    """
    import numpy as np
    from scipy import stats

    distance = float(0.5 * np.abs(reference / reference.sum() - current / current.sum()).sum())
    seen = (reference + current) > 0
    totals, rows, drawn = (reference + current)[seen].astype(float), float(reference.sum() + current.sum()), float(current.sum())
    if len(totals) < 2:
        return 0.0, 1.0, distance
    scale = rows * rows / (drawn * (rows - drawn))
    squares = float((current[seen] ** 2 / totals).sum())
    chi_square = scale * (squares - drawn * drawn / rows)
    if len(totals) == 2:
        return chi_square, float(stats.fisher_exact(np.stack([reference[seen], current[seen]])).pvalue), distance
    mean, variance, skew = _moments_of_squares(totals, drawn)
    return chi_square, _upper_tail(squares, mean, variance, skew), distance


def _rank_sum(reference: NDArray[np.float64], current: NDArray[np.float64]) -> tuple[float, float]:
    """Two-sided p-value and Cliff's delta of the rank-sum test."""
    import numpy as np
    from scipy import stats

    n, m = len(reference), len(current)
    rows = n + m
    ranks = stats.rankdata(np.concatenate([reference, current]))
    gap = ranks - ranks.mean()
    total = float(gap[n:].sum())
    delta = 2 * total / (n * m)
    second, third = float((gap**2).mean()), float((gap**3).mean())
    variance = n * m / (rows - 1) * second
    if variance <= 0 or rows < 3:
        return 1.0, delta
    skew = m * n * (n - m) / ((rows - 1) * (rows - 2)) * third / variance**1.5
    upper = _upper_tail(total, 0.0, variance, skew)
    lower = _upper_tail(-total, 0.0, variance, -skew)
    return min(1.0, 2 * min(upper, lower)), delta


def _moments_of_squares(totals: NDArray[np.float64], drawn: float) -> tuple[float, float, float]:
    """Mean, variance and skewness of sum O_j**2 / K_j when ``drawn`` rows are drawn from classes of K_j rows without replacement.

    E of a product of falling factorials of O_j, O_k is that product of K_j, K_k times drawn_(r) / N_(r), r their total order.
    A row of coefficients below is a polynomial in that order.
    """
    import numpy as np

    falling = np.stack([np.prod([totals - i for i in range(r)], axis=0) if r else np.ones_like(totals) for r in range(7)])
    steps = np.array([1.0] + [(drawn - i) / max(totals.sum() - i, 1.0) for i in range(6)])
    ratio = np.cumprod(np.maximum(steps, 0.0))

    def power(p: int) -> NDArray[np.float64]:
        return np.stack([s * falling[r] for r, s in enumerate(STIRLING[p])], axis=1) / totals[:, None] ** (p / 2)

    one, two, three = power(2), power(4), power(6)
    sum_one = one.sum(axis=0)
    both = np.sum([np.convolve(row, row) for row in one], axis=0)
    cube = np.sum([np.convolve(np.convolve(row, row), row) for row in one], axis=0)
    mixed = np.sum([np.convolve(a, b) for a, b in zip(one, two, strict=True)], axis=0)
    square_sum = np.convolve(sum_one, sum_one)

    def expect(polynomial: NDArray[np.float64]) -> float:
        return float(polynomial @ ratio[: len(polynomial)])

    mean = expect(sum_one)
    second = expect(square_sum - both) + expect(two.sum(axis=0))
    triples = np.convolve(square_sum, sum_one) - 3 * np.convolve(both, sum_one) + 2 * cube
    third = expect(triples) + 3 * expect(np.convolve(two.sum(axis=0), sum_one) - mixed) + expect(three.sum(axis=0))
    variance = second - mean**2
    if variance <= 1e-12 * second:
        return mean, 0.0, 0.0
    return mean, variance, (third - 3 * mean * variance - mean**3) / variance**1.5


def _upper_tail(observed: float, mean: float, variance: float, skew: float) -> float:
    """P(X >= observed) of a Pearson type III law."""
    from scipy import stats

    if variance <= 0:
        return 1.0
    return float(stats.pearson3.sf((observed - mean) / variance**0.5, skew))
