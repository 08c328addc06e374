"""LEEP: log expected empirical prediction (Nguyen et al. 2020, ICML, arXiv 2002.12462)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rootstock.part import NATS, Pair, SimilarityMetric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LEEP(SimilarityMetric):
    """Mean log-probability, nats a row, of the target's labels when a head over any other classes is read through the table
    P(target class | head class) that the same rows give.

    The table is read on the rows that made it: with few rows and many head classes the score is too high, the more so the surer
    the head is. A head of random certain answers over 77 classes passes an informative one over two; compare heads of like size.
    """

    name: Literal["leep"] = "leep"
    unit: ClassVar[str] = NATS

    def measure(self, pair: Pair) -> float | None:
        """Higher is better, 0 at most; -entropy of the labels where the head says nothing. None without a head."""
        if pair.log_probabilities is None:
            return None
        return log_expected_empirical_prediction(pair.log_probabilities, pair.target.labels)


def log_expected_empirical_prediction(log_probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean over rows of log sum_z P(y | z) P(z | x), with P(y | z) of the same rows; ``log_probabilities`` (n, z), labels (n,)."""
    import numpy as np

    said = np.exp(log_probabilities)
    truth = np.eye(int(labels.max()) + 1)[labels]
    joint = truth.T @ said
    # A head class that no row gets any weight has no say in any row either.
    given = joint / np.maximum(joint.sum(axis=0), np.finfo(float).tiny)
    return float(np.log(((said @ given.T) * truth).sum(axis=1)).mean())
