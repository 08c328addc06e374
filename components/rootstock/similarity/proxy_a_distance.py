"""Proxy A-distance between two domains (Ben-David et al. 2006, NIPS, Analysis of Representations for Domain Adaptation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from rootstock.part import Pair, SimilarityMetric
from rootstock.similarity.samples import draw_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ProxyADistance(SimilarityMetric):
    """2 (1 - 2 e), e the error of a classifier that tells rows of the target from rows of the source, with the sign turned.

    -2 where they are told apart without error, about 0 for one and the same domain; a classifier that happens to be worse than
    chance gives more, which keeps the mean there at 0. It is a logistic regression on features of unit length, cross-validated.
    Both domains weigh the same in it and in its error, however many rows each has. Labels are not read.
    """

    name: Literal["proxy_a_distance"] = "proxy_a_distance"
    unit: ClassVar[str] = "negative proxy A-distance"
    reads_labels: ClassVar[bool] = False

    rows: Annotated[int, Field(ge=2)]
    folds: Annotated[int, Field(ge=2)]
    inverse_penalty: Annotated[float, Field(gt=0)]
    """of the logistic regression (scikit-learn's C)"""

    def measure(self, pair: Pair) -> float | None:
        """Higher is better. None without a source, or with one row on either side."""
        samples = draw_samples(pair, self.rows, metric=self.name)
        if samples is None:
            return None
        penalty = self.inverse_penalty
        error = domain_error(samples.target, samples.source, folds=self.folds, inverse_penalty=penalty, seed=pair.seed)
        return -a_distance(error)


def a_distance(error: float) -> float:
    """2 (1 - 2 error): 2 where the domains are told apart without error, 0 at chance."""
    return 2 * (1 - 2 * error)


def domain_error(
    target: NDArray[np.float64], source: NDArray[np.float64], *, folds: int, inverse_penalty: float, seed: int
) -> float:
    """Cross-validated error, 0..1, of telling rows (n, d) from rows (m, d), the mean of both domains' errors.

    Folds are shuffled and stratified; as many as there are rows where the smaller domain has fewer.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rows = np.vstack([target, source])
    is_source = np.arange(len(rows)) >= len(target)
    split = StratifiedKFold(min(folds, len(target), len(source)), shuffle=True, random_state=seed)
    model = LogisticRegression(C=inverse_penalty, class_weight="balanced", max_iter=1000)
    wrong = cross_val_predict(model, rows, is_source, cv=split) != is_source
    return float(wrong[~is_source].mean() + wrong[is_source].mean()) / 2
