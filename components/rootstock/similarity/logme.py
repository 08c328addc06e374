"""LogME: log maximum evidence of labels given features (You et al. 2021, ICML, arXiv 2102.11005)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rootstock.part import NATS, Pair, SimilarityMetric
from rootstock.similarity.representation import representation_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LogME(SimilarityMetric):
    """Evidence of the target's labels given what the candidate offers a linear head, nats a row, mean over classes.

    Computed exactly in both regimes: with fewer rows than features the (d - k)/2 log alpha of the directions without data is
    kept, which widely used implementations drop (noise then outranks signal).
    """

    name: Literal["logme"] = "logme"
    unit: ClassVar[str] = NATS

    layers: Literal["last", "mean"]
    """features of the last layer, or their mean over all layers; a head's outputs stand beside either"""

    def measure(self, pair: Pair) -> float | None:
        """Higher is better."""
        offered = pair.representation
        if self.layers == "mean":
            offered = representation_of(pair.target.layer_mean, pair.log_probabilities)
        return log_maximum_evidence(offered, pair.target.labels)


def log_maximum_evidence(features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Maximum over (alpha, beta) of log p(y | F, alpha, beta) / n for one-hot y, mean over the classes present.

    ``features`` (n, d), ``labels`` (n,). The prior on weights is N(0, 1/alpha), the noise N(0, 1/beta). For a fixed ratio
    alpha/beta the best beta has a closed form, so one number is searched: a grid, then a bounded refinement.
    """
    import numpy as np

    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    squared = singular[singular > singular.max(initial=0.0) * 1e-10] ** 2
    projections = left[:, : len(squared)].T
    evidences = [
        _evidence_of(squared, (projections @ y) ** 2, float(y @ y), len(labels))
        for y in ((labels == c).astype(float) for c in np.unique(labels))
    ]
    return float(np.mean(evidences))


def _evidence_of(squared: NDArray[np.float64], projected: NDArray[np.float64], norm: float, n: int) -> float:
    import numpy as np
    from scipy.optimize import minimize_scalar

    outside = max(norm - float(projected.sum()), 0.0)

    def negative(log_ratio: float) -> float:
        # Marginally y ~ N(0, (I + F F'/ratio) / beta); its eigenvalues are 1 + s^2/ratio, and 1 outside the span of F.
        spread = 1 + squared / np.exp(log_ratio)
        residual = max(float((projected / spread).sum()) + outside, 1e-12)
        return 0.5 * float(np.log(spread).sum() + n * np.log(2 * np.pi * residual / n) + n) / n

    centre = np.log(squared.mean()) if len(squared) else 0.0
    grid = centre + np.linspace(-18, 18, 73)
    start = min(grid, key=negative)
    found = minimize_scalar(negative, bounds=(start - 0.5, start + 0.5), method="bounded", options={"xatol": 1e-8})
    return -min(float(found.fun), negative(float(start)))
