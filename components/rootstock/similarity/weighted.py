"""Weighted means, and a regression with weights that are not negative."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def equal_shares(weights: NDArray[np.float64], groups: NDArray[np.str_]) -> NDArray[np.float64]:
    """Weights that sum to one, the same for every group that has any."""
    import numpy as np

    _, place = np.unique(groups, return_inverse=True)
    shares = np.maximum(np.bincount(place, weights=weights), 1e-300)
    return np.asarray(weights / shares[place] / len(shares))


def group_means(values: NDArray[np.float64], groups: NDArray[np.str_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) weighted mean of each one's group."""
    import numpy as np

    _, place = np.unique(groups, return_inverse=True)
    return np.asarray((np.bincount(place, weights * values) / np.maximum(np.bincount(place, weights), 1e-300))[place])


def known_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(d,) weighted means of the values (n, d) that are not missing."""
    import numpy as np

    known = ~np.isnan(values)
    return np.asarray((weights @ np.nan_to_num(values)) / np.maximum(weights @ known, 1e-12))


def known_variance(values: NDArray[np.float64], centre: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Mean over the d columns of the weighted variance of values (n, d) around a centre (d,); a missing one lies on it."""
    import numpy as np

    spread = weights @ np.nan_to_num(values - centre) ** 2
    return float(spread.mean()) if len(spread) else 1.0


def non_negative_ridge(
    evidence: NDArray[np.float64], wanted: NDArray[np.float64], weights: NDArray[np.float64], *, ridge: float
) -> NDArray[np.float64]:
    """(d,) weights, none below zero, of a ridge regression of ``wanted`` (n,) on ``evidence`` (n, d); a missing score counts 0."""
    import numpy as np
    from scipy.optimize import nnls

    count = evidence.shape[1]
    if not count:
        return np.zeros(0)
    root = np.sqrt(weights)
    # Normal equations by their root: d + 1 rows instead of n.
    design = np.column_stack([np.nan_to_num(evidence), wanted]) * root[:, None]
    square: NDArray[np.float64] = np.asarray(np.linalg.qr(design, mode="r"))
    rows = np.vstack([square[:, :count], math.sqrt(max(ridge, 1e-12)) * np.eye(count)])
    return np.asarray(nnls(rows, np.concatenate([square[:, count], np.zeros(count)]))[0])


def stretch(said: NDArray[np.float64], wanted: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Slope of ``wanted`` (n,) on what is ``said`` (n,) of it."""
    power = float(weights @ said**2)
    return float(weights @ (said * wanted)) / power if power > 0 else 1.0
