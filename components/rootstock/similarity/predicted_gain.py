"""Predict what a candidate would gain over the backbone alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstock.head import log_probabilities, logistic_head
from rootstock.params import SimilarityParams
from rootstock.records import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INVERSE_PENALTY = 10.0
BOOTSTRAP_DRAWS = 2000


def predict_gain(
    offered: NDArray[np.float64],
    alone: NDArray[np.float64],
    *,
    labels: NDArray[np.int64],
    similarity: SimilarityParams,
    seed: int,
) -> Measure:
    """Accuracy of a probe on what the candidate offers (n, d') less that of a probe on the backbone alone (n, d).

    Repeated stratified cross-validation on the same folds; the interval is a bootstrap over rows of the paired differences. It is
    what the candidate's head and features add without any tuning, so it tends to understate what tuning gains.
    """
    import numpy as np

    differences = np.zeros(len(labels))
    for repeat in range(similarity.repeats):
        folds = _folds(labels, folds=similarity.folds, seed=seed + repeat)
        differences += _correct(offered, labels, folds) - _correct(alone, labels, folds)
    differences /= similarity.repeats
    random = np.random.default_rng(seed)
    means = differences[random.integers(len(labels), size=(BOOTSTRAP_DRAWS, len(labels)))].mean(axis=1)
    tail = (1 - similarity.confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Measure(
        value=float(differences.mean()), low=float(low), high=float(high), n=len(labels), unit="accuracy", higher_is_better=True
    )


def _folds(labels: NDArray[np.int64], *, folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) fold of each row; every class is spread evenly."""
    import numpy as np

    random = np.random.default_rng(seed)
    place = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        place[rows] = (np.arange(len(rows)) + random.integers(folds)) % folds
    return place


def _correct(features: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    import numpy as np

    correct = np.zeros(len(labels))
    classes = int(labels.max()) + 1
    for fold in np.unique(folds):
        train, held = folds != fold, folds == fold
        head = logistic_head(features[train], labels[train], classes=classes, inverse_penalty=INVERSE_PENALTY)
        correct[held] = log_probabilities(features[held], head).argmax(axis=1) == labels[held]
    return correct
