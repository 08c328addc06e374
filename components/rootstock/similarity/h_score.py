"""H-score with a regularised covariance (Bao et al. 2019, ICIP; Ibrahim et al. 2022, ECML PKDD, arXiv 2110.06893)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rootstock.part import Pair, SimilarityMetric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Room left between chance and the greatest value, as a share of it, under which nothing can be told apart.
SATURATED = 1e-6


class HScore(SimilarityMetric):
    """How much of the features' variance lies between the classes, with Ledoit-Wolf shrinkage of the covariance.

    The score as published, up to c - 1, grows with the width of features that say nothing: at 50 rows 1,024 of them pass an
    informative 16. ``chance_corrected`` takes off what the same features score on shuffled labels (in closed form) and divides by
    the room above it: 0 is chance and 1 the best there is, whatever the width, the spectrum and the number of classes.
    """

    name: Literal["h_score"] = "h_score"

    chance_corrected: bool

    def measure(self, pair: Pair) -> float | None:
        """Higher is better. None where features do not vary, and, corrected, where they are so many that chance is perfect too."""
        spread = _spread(pair.representation, pair.target.labels)
        if spread is None:
            return None
        score, chance, greatest = spread
        if not self.chance_corrected:
            return score
        return (score - chance) / (greatest - chance) if greatest - chance > SATURATED * greatest else None


def regularised_h_score(features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """tr((1 - a) S_a^-1 B): B (d, d) is the covariance of class means given to each row, S_a the shrunk covariance of all rows.

    ``features`` (n, d) must vary, ``labels`` (n,).
    """
    spread = _spread(features, labels)
    if spread is None:
        raise ValueError("expected features that vary, found the same in every row")
    return spread[0]


def _spread(features: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float, float] | None:
    """The score, its mean over all orders of the labels, and its greatest value; None for features that do not vary.

    In the basis of the centred features' left singular vectors u_i both matrices are small: with eigenvalues v_i of the covariance,
    the score is sum_i g_i u_i' P u_i, where P averages over a class and g_i = (1 - a) v_i / ((1 - a) v_i + a mean(v)).
    Over all orders of the labels u_i' P u_i is (c - 1) / (n - 1) on average, as for any unit vector of mean zero.
    """
    import numpy as np
    from sklearn.covariance import ledoit_wolf_shrinkage

    n, d = features.shape
    classes = np.unique(labels)
    centred = features - features.mean(axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    kept = singular > singular.max(initial=0.0) * 1e-10
    if not kept.any() or singular.max() <= 1e-12 * np.abs(features).max():
        return None
    left, variances = left[:, kept], singular[kept] ** 2 / n
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    gains = (1 - shrinkage) * variances / ((1 - shrinkage) * variances + shrinkage * variances.sum() / d)
    between = sum(((left[labels == c].sum(axis=0) ** 2) / (labels == c).sum() for c in classes), np.zeros(len(gains)))
    scale = n / (n - 1)  # B is an unbiased covariance, S_a the maximum-likelihood one, as in the published code
    chance = (len(classes) - 1) / (n - 1) * gains.sum()
    return float(gains @ between) * scale, float(chance) * scale, (len(classes) - 1) * scale
