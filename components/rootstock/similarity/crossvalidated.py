"""Cross-validated predictions of a linear probe on few labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstock.groups import grouped_folds
from rootstock.head import log_probabilities, logistic_head

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INVERSE_PENALTY = 10.0


def crossvalidated_correct(
    features: NDArray[np.float64], labels: NDArray[np.int64], *, folds: int, repeats: int, seed: int,
    groups: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """(n,) share of the repeats in which a logistic regression fitted without a row's fold names that row's label.

    ``features`` (n, d), ``labels`` (n,). Folds depend on the labels, ``groups``, ``folds`` and ``seed`` alone: two candidates
    scored on the same rows are compared pair by pair.
    """
    import numpy as np

    rotated = turned(features)
    correct = np.zeros(len(labels))
    for repeat in range(repeats):
        correct += _correct(rotated, labels, stratified_folds(labels, folds=folds, seed=seed + repeat, groups=groups))
    return correct / repeats


def stratified_folds(
    labels: NDArray[np.int64], *, folds: int, seed: int, groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """(n,) fold of each row. Every class is spread evenly, and so are all rows: with two rows or more no fold holds them all.

    Rows of one of the ``groups`` (n,) have one fold. Raises DataError where groups leave no two folds.
    """
    import numpy as np

    if groups is not None:
        place = np.empty(len(labels), dtype=np.int64)
        for fold, (_, held) in enumerate(grouped_folds(labels, groups, folds=folds, seed=seed)):
            place[held] = fold
        return place
    random = np.random.default_rng(seed)
    place = np.empty(len(labels), dtype=np.int64)
    start = int(random.integers(folds))
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        place[rows] = (start + np.arange(len(rows))) % folds
        start += len(rows)
    return place


def turned(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same rows in at most n coordinates: a penalised linear model sees only angles and lengths, which a rotation keeps."""
    import numpy as np

    if features.shape[1] <= len(features):
        return features
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    return np.asarray(left * singular)


def _correct(features: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    import numpy as np

    correct = np.zeros(len(labels))
    classes = int(labels.max()) + 1
    for fold in np.unique(folds):
        train, held = folds != fold, folds == fold
        head = logistic_head(features[train], labels[train], classes=classes, inverse_penalty=INVERSE_PENALTY)
        correct[held] = log_probabilities(features[held], head).argmax(axis=1) == labels[held]
    return correct
