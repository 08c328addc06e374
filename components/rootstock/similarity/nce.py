"""NCE: negative conditional entropy (Tran et al. 2019, ICCV, arXiv 1908.08142)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rootstock.part import NATS, Pair, SimilarityMetric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NCE(SimilarityMetric):
    """-H(target class | head class), nats a row: how well the class that a head names, of whatever label set, tells the target's.

    The entropy is that of the rows at hand, which is too low where head classes have few rows each: 77 classes named at random
    for 64 rows look informative. Compare heads of like size, or have many rows.
    """

    name: Literal["nce"] = "nce"
    unit: ClassVar[str] = NATS

    def measure(self, pair: Pair) -> float | None:
        """Higher is better, 0 at most; -entropy of the labels where the head always names one class. None without a head."""
        if pair.log_probabilities is None:
            return None
        return negative_conditional_entropy(pair.log_probabilities.argmax(axis=1), pair.target.labels)


def negative_conditional_entropy(named: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Sum over (y, z) of P(y, z) log P(y | z), with the shares of n rows as P; ``named`` (n,) are the z, ``labels`` (n,) the y."""
    import numpy as np
    from scipy.special import rel_entr

    counts = np.zeros((int(labels.max()) + 1, int(named.max()) + 1))
    np.add.at(counts, (labels, named), 1)
    return float(rel_entr(counts, np.broadcast_to(counts.sum(axis=0), counts.shape)).sum()) / len(labels)
