"""What a candidate offers a linear head: features, and the candidate's own head beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstock.head import scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def representation_of(features: NDArray[np.float64], log_probabilities: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Features (n, d) of unit length and a head's centred log-probabilities (n, c) of mean length one, side by side (n, d + c).

    Without a head, the features alone.
    """
    import numpy as np

    if log_probabilities is None:
        return scaled(features)
    centred = log_probabilities - log_probabilities.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=1).mean())
    return np.hstack([scaled(features), centred / max(float(length), 1e-12)])
