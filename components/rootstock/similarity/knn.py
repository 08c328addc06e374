"""Accuracy of the nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from rootstock.part import ACCURACY, Pair, SimilarityMetric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NearestNeighbours(SimilarityMetric):
    """Leave-one-out accuracy, 0..1, of the k nearest neighbours (Euclidean) in what the candidate offers.

    A row never votes on itself, so features without signal score as chance, however many there are.
    """

    name: Literal["knn"] = "knn"
    unit: ClassVar[str] = ACCURACY

    neighbours: Annotated[int, Field(ge=1)]

    def measure(self, pair: Pair) -> float | None:
        """Higher is better. None with fewer than ``neighbours`` + 1 rows."""
        if len(pair.target.labels) <= self.neighbours:
            return None
        target = pair.target
        return leave_one_out_accuracy(pair.representation, target.labels, neighbours=self.neighbours, groups=target.groups)


def leave_one_out_accuracy(
    features: NDArray[np.float64], labels: NDArray[np.int64], *, neighbours: int, groups: NDArray[np.int64] | None = None
) -> float:
    """Share of the n rows (n, d) whose label (n,) wins among the nearest other rows; among equals the lower label wins.

    Rows of a row's own group (n,) are none of its neighbours.
    """
    import numpy as np
    from sklearn.neighbors import NearestNeighbors

    own = 1 if groups is None else int(np.unique(groups, return_counts=True)[1].max())
    asked = min(neighbours + own - 1, len(labels) - 1)
    nearest = NearestNeighbors(n_neighbors=asked, algorithm="brute").fit(features).kneighbors(return_distance=False)
    is_other = np.ones(nearest.shape, dtype=bool) if groups is None else groups[nearest] != groups[:, None]
    is_near = is_other & (is_other.cumsum(axis=1) <= neighbours)
    votes = ((labels[nearest][:, :, None] == np.arange(int(labels.max()) + 1)) & is_near[:, :, None]).sum(axis=1)
    return float((votes.argmax(axis=1) == labels).mean())
