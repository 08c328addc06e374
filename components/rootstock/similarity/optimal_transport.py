"""Optimal transport between two labelled data sets (Alvarez-Melis and Fusi 2020, NeurIPS, arXiv 2002.02923)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from rootstock.part import Pair, SimilarityMetric
from rootstock.similarity.frechet_distance import frechet
from rootstock.similarity.samples import draw_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class OptimalTransport(SimilarityMetric):
    """Cost of moving the target's rows onto the source's, as a share of the variance of both, with the sign turned.

    Moving a row costs the squared distance between features (of unit length) and the squared Wasserstein distance between the
    Gaussians of the two rows' classes: classes are compared by where their rows lie, so labels need not have names in common. At
    most ``rows`` rows of each domain are moved.
    """

    name: Literal["optimal_transport"] = "optimal_transport"
    unit: ClassVar[str] = "negative share of variance"

    rows: Annotated[int, Field(ge=2)]

    def measure(self, pair: Pair) -> float | None:
        """Higher is better, at most 0. None without a source, with one row on either side, or where no row differs."""
        samples = draw_samples(pair, self.rows, metric=self.name, labelled=True)
        if samples is None or samples.target_labels is None:
            return None
        variance = float(samples.target.var(axis=0).sum() + samples.source.var(axis=0).sum())
        if variance <= 1e-12:
            return None
        cost = transport_costs(samples.target, samples.source, samples.target_labels, samples.source_labels)
        return -transport_cost(cost) / variance


def transport_cost(costs: NDArray[np.float64]) -> float:
    """The least cost of moving n rows of equal mass onto m of equal mass, exact, by the network simplex; ``costs`` (n, m)."""
    import numpy as np
    import ot

    n, m = costs.shape
    return float(ot.emd2(np.full(n, 1 / n), np.full(m, 1 / m), np.ascontiguousarray(costs), numItermax=1_000_000))


def transport_costs(
    a: NDArray[np.float64], b: NDArray[np.float64], a_labels: NDArray[np.int64], b_labels: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n, m) costs of rows (n, d) against rows (m, d) with labels (n,), (m,): squared distance of features and of classes."""
    import numpy as np
    from sklearn.metrics.pairwise import euclidean_distances

    mine, theirs = np.unique(a_labels, return_inverse=True)[1], np.unique(b_labels, return_inverse=True)[1]
    between = _class_distances(a, b, mine, theirs)
    return np.asarray(euclidean_distances(a, b, squared=True) + between[mine][:, theirs])


def _class_distances(
    a: NDArray[np.float64], b: NDArray[np.float64], mine: NDArray[np.int64], theirs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(c, c') squared Wasserstein distances between classes 0..c-1 and 0..c'-1, as ``bures_wasserstein`` has them."""
    import numpy as np
    from sklearn.metrics.pairwise import euclidean_distances

    my_means, my_rows, my_variances = _classes(a, mine)
    their_means, their_rows, their_variances = _classes(b, theirs)
    products = my_rows @ their_rows.T
    groups = [[np.flatnonzero(labels == c) for c in range(labels.max() + 1)] for labels in (mine, theirs)]
    cross = np.zeros((len(my_means), len(their_means)))
    for i, first in enumerate(groups[0]):
        for j, second in enumerate(groups[1]):
            if min(len(first), len(second)) > 1:  # the covariance of one row is zero
                cross[i, j] = np.linalg.svd(products[np.ix_(first, second)], compute_uv=False).sum()
    squared = euclidean_distances(my_means, their_means, squared=True)
    return np.asarray(np.maximum(squared + my_variances[:, None] + their_variances - 2 * cross, 0))


def _classes(
    rows: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means (c, d), rows less their mean over the root of their class's size (n, d), and total variances (c,)."""
    import numpy as np

    counts = np.bincount(labels)
    member = np.eye(len(counts))[labels]
    means = member.T @ rows / counts[:, None]
    centred = (rows - means[labels]) / np.sqrt(counts[labels])[:, None]
    return means, centred, member.T @ (centred**2).sum(axis=1)


def bures_wasserstein(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Wasserstein distance of order 2 between the Gaussians of rows (n, d) and (m, d), with covariances divided by n and m.

    A class of one row is a point.
    """
    return float(frechet(a, b, ddof=0) ** 0.5)
