"""Frechet distance between two domains seen as Gaussians (Dowson and Landau 1982; Heusel et al. 2017, arXiv 1706.08500)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from rootstock.part import Pair, SimilarityMetric
from rootstock.similarity.samples import draw_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FrechetDistance(SimilarityMetric):
    """Squared Frechet distance as a share of the variance of both domains, with the sign turned.

    |m - m'|^2 + tr(S + S' - 2 (S S')^1/2), divided by tr(S) + tr(S'), on features of unit length. Covariances are shrunk as Ledoit
    and Wolf (2004) have it: with fewer rows than features those of a sample span other directions in every draw, and one domain
    would be far from itself. At most ``rows`` rows of each domain are read. Labels are not.
    """

    name: Literal["frechet_distance"] = "frechet_distance"
    unit: ClassVar[str] = "negative share of variance"
    reads_labels: ClassVar[bool] = False

    rows: Annotated[int, Field(ge=2)]

    def measure(self, pair: Pair) -> float | None:
        """Higher is better, at most 0. None without a source, with one row on either side, or where no row differs."""
        samples = draw_samples(pair, self.rows, metric=self.name)
        if samples is None:
            return None
        variance = float(samples.target.var(axis=0).sum() + samples.source.var(axis=0).sum())
        return -shrunk_frechet(samples.target, samples.source) / variance if variance > 1e-12 else None


def frechet(a: NDArray[np.float64], b: NDArray[np.float64], *, ddof: int = 1) -> float:
    """Squared Frechet distance with the plain covariances of rows (n, d) and (m, d), in the units of the features squared.

    With A, B the centred rows, tr((S S')^1/2) is the sum of the singular values of A B' / sqrt(n m): exact for singular covariances
    too, and no root of a matrix is taken. ``ddof`` is what n and m are lessened by.
    """
    import numpy as np

    gap = a.mean(axis=0) - b.mean(axis=0)
    left, right = a - a.mean(axis=0), b - b.mean(axis=0)
    left, right = _few(left / np.sqrt(len(a) - ddof)), _few(right / np.sqrt(len(b) - ddof))
    cross = float(np.linalg.svd(left @ right.T, compute_uv=False).sum())
    return max(float(gap @ gap + (left**2).sum() + (right**2).sum()) - 2 * cross, 0.0)


def _few(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most d rows with the same products among columns as rows (n, d): the triangle of a QR decomposition."""
    import numpy as np

    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows


def shrunk_frechet(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The same with Ledoit-Wolf covariances (1 - s) S + s tr(S)/d I."""
    import numpy as np

    gap = a.mean(axis=0) - b.mean(axis=0)
    left, right = a - a.mean(axis=0), b - b.mean(axis=0)
    d = a.shape[1]
    basis = np.linalg.qr(np.vstack([left, right]).T)[0] if len(a) + len(b) < d else np.eye(d)
    (first, outside), (second, outside_too) = _shrunk(left, basis), _shrunk(right, basis)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.maximum(values, 0))
    cross = float(np.sqrt(np.maximum(np.linalg.eigvalsh(root.T @ second @ root), 0)).sum())
    # Outside the span of all rows both covariances are multiples of the identity.
    beyond = (d - basis.shape[1]) * (np.sqrt(outside) - np.sqrt(outside_too)) ** 2
    return max(float(gap @ gap + np.trace(first) + np.trace(second)) - 2 * cross + float(beyond), 0.0)


def _shrunk(centred: NDArray[np.float64], basis: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The covariance (r, r) in an orthonormal basis (d, r) that holds all rows, and the variance of a direction outside it."""
    import numpy as np
    from sklearn.covariance import ledoit_wolf_shrinkage

    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    rows = centred @ basis
    level = shrinkage * float((centred**2).sum()) / centred.size
    return (1 - shrinkage) * (rows.T @ rows) / len(rows) + level * np.eye(basis.shape[1]), level
