"""Maximum mean discrepancy between two domains (Gretton et al. 2012, JMLR 13, A Kernel Two-Sample Test)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from rootstock.part import Pair, SimilarityMetric
from rootstock.similarity.samples import draw_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class MaximumMeanDiscrepancy(SimilarityMetric):
    """Squared MMD with a Gaussian kernel, unbiased, with the sign turned: 0 in expectation for one and the same domain.

    The bandwidth is the median distance between rows of both domains (features of unit length), which makes the number free of
    scale. At most ``rows`` rows of each domain are compared. Labels are not read. ``p_value`` tells whether rows so few can show
    that the domains differ at all.
    """

    name: Literal["mmd"] = "mmd"
    unit: ClassVar[str] = "negative squared kernel distance"
    reads_labels: ClassVar[bool] = False

    rows: Annotated[int, Field(ge=2)]
    permutations: Annotated[int, Field(ge=1)]

    def measure(self, pair: Pair) -> float | None:
        """Higher is better, at most a little above 0. None without a source, or with one row on either side."""
        samples = draw_samples(pair, self.rows, metric=self.name)
        return -squared_mmd(gaussian_kernel(samples.target, samples.source), len(samples.target)) if samples is not None else None

    def p_value(self, pair: Pair) -> float | None:
        """Of the hypothesis that both domains are one, at least 1 / (permutations + 1). None where ``measure`` gives None."""
        samples = draw_samples(pair, self.rows, metric=self.name)
        if samples is None:
            return None
        kernel = gaussian_kernel(samples.target, samples.source)
        return permutation_p_value(kernel, len(samples.target), permutations=self.permutations, seed=pair.seed)


def gaussian_kernel(target: NDArray[np.float64], source: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n + m, n + m) exp(-d^2 / (2 s^2)) between rows (n, d) and (m, d), s the median distance between different rows.

    Ones where all rows are alike.
    """
    import numpy as np
    from sklearn.metrics.pairwise import euclidean_distances

    squared = euclidean_distances(np.vstack([target, source]), squared=True)
    np.fill_diagonal(squared, 0)
    apart = squared[np.triu_indices(len(squared), k=1)]
    apart = apart[apart > 1e-12 * apart.max(initial=0.0)]
    return np.exp(-squared / (2 * np.median(np.sqrt(apart)) ** 2)) if len(apart) else np.ones_like(squared)


def squared_mmd(kernel: NDArray[np.float64], n: int) -> float:
    """The unbiased estimate (equation 3) from a kernel (n + m, n + m) whose first n rows are one sample; it may be below zero."""
    import numpy as np

    return float(_squared_mmds(kernel, np.arange(len(kernel))[None] < n)[0])


def permutation_p_value(kernel: NDArray[np.float64], n: int, *, permutations: int, seed: int) -> float:
    """Share of random splits of the rows into n and m whose squared MMD is at least the one observed, itself among them."""
    import numpy as np

    order = np.random.default_rng(seed).permuted(np.tile(np.arange(len(kernel)), (permutations, 1)), axis=1)
    observed = squared_mmd(kernel, n)
    slack = 1e-9 * abs(observed) + 1e-12  # equal up to rounding counts as at least as large
    return float(1 + (_squared_mmds(kernel, order < n) >= observed - slack).sum()) / (permutations + 1)


def _squared_mmds(kernel: NDArray[np.float64], is_first: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(p,) estimates for p splits (p, n + m), all with n True."""
    import numpy as np

    first = is_first.astype(np.float64)
    n = float(first[0].sum())
    m = len(kernel) - n
    to_first = first @ kernel
    own, diagonal = kernel.diagonal(), first @ kernel.diagonal()
    within_first = (to_first * first).sum(axis=1)
    between = to_first.sum(axis=1) - within_first
    within_second = kernel.sum() - within_first - 2 * between
    return np.asarray(
        (within_first - diagonal) / (n * (n - 1)) + (within_second - (own.sum() - diagonal)) / (m * (m - 1)) - 2 * between / (n * m)
    )
