"""How well the source's own head, adapted to the labelled rows, predicts those held out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from rootstock.head import scaled
from rootstock.part import NATS, Pair, SimilarityMetric
from rootstock.similarity.crossvalidated import stratified_folds, turned

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class AdaptedHead(SimilarityMetric):
    """Cross-validated log-likelihood of the target's labels under a head drawn towards the source's own, nats a row.

    What the fine-tuning stage does with few rows, done on the frozen backbone: a Gaussian prior around the source's head (Chelba
    and Acero 2006). A class that the source lacks starts at the mean of those it has; without a head, or with none of its classes
    matched, the prior is around zero, so that the backbone alone has a score too.
    """

    name: Literal["adapted_head"] = "adapted_head"
    unit: ClassVar[str] = NATS

    folds: Annotated[int, Field(ge=2)]
    repeats: Annotated[int, Field(ge=1)]
    inverse_penalty: PositiveFloat

    def measure(self, pair: Pair) -> float | None:
        """Higher is better, chance is -log c. None where some class has a single row, or all its rows in one group."""
        import numpy as np

        target = pair.target
        if not target.can_be_split:
            return None
        offsets = _offsets(pair)
        features = turned(np.hstack([scaled(target.features), np.ones((len(target.labels), 1))]))
        total = 0.0
        for repeat in range(self.repeats):
            folds = stratified_folds(target.labels, folds=self.folds, seed=pair.seed + repeat, groups=target.groups)
            for fold in np.unique(folds):
                train, held = folds != fold, folds == fold
                weights = fit_around(features[train], target.labels[train], offsets[train], inverse_penalty=self.inverse_penalty)
                scores = offsets[held] + features[held] @ weights.T
                total += float(_log_softmax(scores)[np.arange(held.sum()), target.labels[held]].sum())
        return total / (self.repeats * len(target.labels))


def fit_around(
    features: NDArray[np.float64], labels: NDArray[np.int64], offsets: NDArray[np.float64], *, inverse_penalty: float
) -> NDArray[np.float64]:
    """(c, d) weights of a multinomial logistic regression on features (n, d) whose scores start at ``offsets`` (n, c)."""
    import numpy as np
    from scipy.optimize import minimize

    wanted = np.eye(offsets.shape[1])[labels]

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(offsets.shape[1], -1)
        log_p = _log_softmax(offsets + features @ weights.T)
        loss = -float((wanted * log_p).sum()) + float((weights**2).sum()) / (2 * inverse_penalty)
        return loss, ((np.exp(log_p) - wanted).T @ features + weights / inverse_penalty).ravel()

    start = np.zeros(offsets.shape[1] * features.shape[1])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 60})
    return np.asarray(found.x.reshape(offsets.shape[1], -1))


def _offsets(pair: Pair) -> NDArray[np.float64]:
    """(n, c) scores of the target's classes under the candidate's head."""
    import numpy as np

    offsets = np.zeros((len(pair.target.labels), len(pair.target.classes)))
    place = {name: index for index, name in enumerate(pair.head_classes)}
    known = [index for index, name in enumerate(pair.target.classes) if name in place]
    if pair.log_probabilities is None or len(known) < 2:
        return offsets
    said = pair.log_probabilities[:, [place[pair.target.classes[index]] for index in known]]
    offsets[:] = said.mean(axis=1, keepdims=True)
    offsets[:, known] = said
    return offsets


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import log_softmax

    return log_softmax(scores, axis=1)  # type: ignore[no-any-return]
