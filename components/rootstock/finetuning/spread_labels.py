"""Spread the labels of a few rows to others, along a graph of near neighbours.

D. Zhou et al., "Learning with local and global consistency" (NIPS 2003), by scikit-learn; the graph, and weights of the spread
labels by their certainty, are those of A. Iscen et al., "Label propagation for deep semi-supervised learning" (CVPR 2019, arXiv
1904.04717).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from rootstock.head import scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Exponent of the cosine in the weight of an edge (Iscen et al., section 4).
SHARPNESS = 3
#: A cosine at which a row has nothing to do with another, even as its nearest.
NO_NEIGHBOUR = 1e-3
#: Rounds end once no row's scores change by more than this, all classes together.
ROW_TOLERANCE, MOST_ROUNDS = 1e-6, 10_000
#: Least score whose logarithm is taken.
LEAST = 1e-12


def spread_labels(
    features: NDArray[np.float64], labels: NDArray[np.int64], *, neighbours: int, alpha: float, as_labelled: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (n,) and weights (n,) in [0, 1] of n rows with ``features`` (n, d), of which the first have ``labels`` (n_labelled,).

    Labelled rows keep theirs at weight 1. Another row gets the class with the highest score, at one minus the entropy of its scores
    over that of chance; a row that no label reaches gets weight 0. With ``as_labelled`` the scores are first moved, as little as
    can be, until the classes of the others have the shares of the labelled rows (distribution alignment; D. Berthelot et al.,
    "ReMixMatch", ICLR 2020, here by Sinkhorn's iteration over all rows at once).
    """
    import numpy as np

    others = len(features) - len(labels)
    classes, counts = np.unique(labels, return_counts=True)
    found, weights = np.concatenate([labels, np.full(others, classes[0])]), np.ones(len(features))
    if len(classes) == 1 or not others:
        return found, weights
    scores = _scores(features, labels, neighbours=neighbours, alpha=alpha)
    # Rows that no label reaches have no scores at all, which would pass for certain.
    reached = len(labels) + np.flatnonzero(scores[len(labels) :].sum(axis=1) > 0)
    shares = with_shares(scores[reached], counts / len(labels)) if as_labelled and len(reached) else scores[reached]
    entropy = -(shares * np.log(np.maximum(shares, LEAST))).sum(axis=1)
    weights[len(labels) :] = 0.0
    weights[reached] = np.clip(1 - entropy / np.log(len(classes)), 0, 1)
    found[reached] = classes[shares.argmax(axis=1)]
    return found, weights


def _scores(features: NDArray[np.float64], labels: NDArray[np.int64], *, neighbours: int, alpha: float) -> NDArray[np.float64]:
    """(n, c) shares of the classes that are there, in each row; zero where no label reaches."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelSpreading

    known = np.concatenate([labels, np.full(len(features) - len(labels), -1)])
    model = LabelSpreading(
        kernel=lambda rows, _: _graph(rows, neighbours), alpha=alpha, max_iter=MOST_ROUNDS, tol=ROW_TOLERANCE * len(features)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # never met: each round shrinks the change by alpha
        return np.asarray(model.fit(scaled(features), known).label_distributions_)


def _graph(features: NDArray[np.float64], neighbours: int) -> Any:
    """Symmetric sparse weights (n, n) of n rows of unit length: each to its nearest ones, by their cosine to a power."""
    import numpy as np
    from sklearn.neighbors import kneighbors_graph

    near = kneighbors_graph(features, min(neighbours, len(features) - 1), mode="distance")
    cosine = 1 - near.data**2 / 2
    near.data = np.where(cosine > NO_NEIGHBOUR, np.abs(cosine) ** SHARPNESS, 0.0)
    near.eliminate_zeros()
    return (near + near.T).tocoo()


def with_shares(scores: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, c) shares nearest to ``scores`` (n, c), by relative entropy, whose means over rows are those ``wanted`` (c,)."""
    import numpy as np
    import ot

    costs = -np.log(np.maximum(scores, LEAST))
    plan = ot.sinkhorn(np.full(len(scores), 1 / len(scores)), wanted, costs, reg=1.0, warn=False)
    return np.asarray(plan / plan.sum(axis=1, keepdims=True))
