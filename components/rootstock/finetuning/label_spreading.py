"""Rows without labels help as well: labels spread to them along a graph of near neighbours, and a head learns from all.

It pays where classes form clusters under the features, as intents and topics do, and costs where they do not, as with opinions on
an untuned backbone: `benchmarks/label_spreading.py` measures both. So no rule takes it; cross-validation may.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from rootstock.head import log_probabilities, logistic_head, scaled
from rootstock.part import FineTuneMethod, FineTuneMethodPart, Fitted, Rows, Start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Exponent of the cosine in the weight of an edge (Iscen et al., section 4).
SHARPNESS = 3
#: A cosine at which a row has nothing to do with another, even as its nearest.
NO_NEIGHBOUR = 1e-3
#: Rounds end once no row's scores change by more than this, all classes together.
ROW_TOLERANCE, MOST_ROUNDS = 1e-6, 10_000


class LabelSpreading(FineTuneMethod):
    """Label spreading to the target's rows without label, and a logistic head on those and the labelled rows.

    Spreading is that of D. Zhou et al., "Learning with local and global consistency" (NIPS 2003); the graph, and weights of the
    spread labels by their certainty, are those of A. Iscen et al., "Label propagation for deep semi-supervised learning" (CVPR
    2019, arXiv 1904.04717). The head answers new rows; the graph is not kept. Where the start has learned the same classes before,
    the head is drawn towards the one from there. Without such rows it is a linear probe, and says so.
    """

    name: Literal["label_spreading"] = "label_spreading"
    setting_unit: ClassVar[str] = "neighbours"
    neighbours: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """of a row in the graph, to choose from: few where a class has few rows"""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """share of a row's scores that comes from its neighbours, the rest from its own label"""
    regularisation: PositiveFloat
    """inverse strength of the head's L2 penalty (scikit-learn's C)"""
    unlabelled_rows: PositiveInt
    """read at most; the time for the graph grows with their square"""
    after: FineTuneMethodPart | None
    """a method that first changes the backbone on the labelled rows, for all its epochs; null leaves the backbone as it is"""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Spread and fit a head for each number of neighbours, or for ``setting`` alone; the last one is returned."""
        import numpy as np

        before = self.after.fit(start, rows, heldout=None, setting=None, seed=seed) if self.after is not None else None
        encoder = before.encoder if before is not None else None
        features = encoder.embed(rows.inputs, "embedding") if encoder else rows.features
        asked = None
        if heldout is not None:
            asked = encoder.embed(heldout.inputs, "embedding") if encoder else heldout.features
        more = self._unlabelled(start, encoder)
        if more is not None:
            features = np.vstack([features, more])
        predicted: dict[float, NDArray[np.float64]] = {}
        for neighbours in self.neighbours if setting is None else (int(setting),):
            known, weights = spread_labels(features, rows.labels, neighbours=neighbours, alpha=self.alpha)
            head = logistic_head(
                features, known, classes=start.classes, inverse_penalty=self.regularisation,
                prior=None if encoder else start.prior, row_weights=weights,
            )  # fmt: skip
            if asked is not None:
                predicted[float(neighbours)] = np.exp(log_probabilities(asked, head))
        moved = before.trainable_parameters - before.head.numbers if before is not None else 0
        notes = (*(before.notes if before is not None else ()), _note(0 if more is None else len(more)))
        return Fitted(head, encoder, predicted, before.losses if before is not None else (), moved + head.numbers, notes)

    def _unlabelled(self, start: Start, encoder: Any) -> NDArray[np.float64] | None:
        if start.unlabelled is None:
            return None
        if encoder is None:
            return start.unlabelled.features(self.unlabelled_rows)
        found: NDArray[np.float64] = encoder.embed(start.unlabelled.inputs(self.unlabelled_rows), "embedding rows without label")
        return found


def spread_labels(
    features: NDArray[np.float64], labels: NDArray[np.int64], *, neighbours: int, alpha: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (n,) and weights (n,) in [0, 1] of n rows with ``features`` (n, d), of which the first have ``labels`` (n_labelled,).

    Labelled rows keep theirs at weight 1. Another row gets the class with the highest score, at one minus the entropy of its scores
    over that of chance; a row that no label reaches gets weight 0.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelSpreading as Spreading

    if len(features) == len(labels):
        return labels, np.ones(len(labels))
    classes = np.unique(labels)
    known = np.concatenate([labels, np.full(len(features) - len(labels), -1)])
    weights = np.ones(len(features))
    if len(classes) == 1:
        return np.full(len(features), classes[0]), weights
    model = Spreading(
        kernel=lambda rows, _: _graph(rows, neighbours), alpha=alpha, max_iter=MOST_ROUNDS, tol=ROW_TOLERANCE * len(features)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # never met: each round shrinks the change by alpha
        scores = model.fit(scaled(features), known).label_distributions_
    entropy = -(scores * np.log(np.maximum(scores, 1e-300))).sum(axis=1)
    # Rows that no label reaches have no scores at all, which would pass for certain.
    weights = np.where(scores.sum(axis=1) > 0, np.clip(1 - entropy / np.log(len(classes)), 0, 1), 0.0)
    found = model.classes_[scores.argmax(axis=1)]
    found[: len(labels)], weights[: len(labels)] = labels, 1.0
    return found, weights


def _graph(features: NDArray[np.float64], neighbours: int) -> Any:
    """Symmetric sparse weights (n, n) of n rows of unit length: each to its nearest ones, by their cosine to a power."""
    import numpy as np
    from sklearn.neighbors import kneighbors_graph

    near = kneighbors_graph(features, min(neighbours, len(features) - 1), mode="distance")
    cosine = 1 - near.data**2 / 2
    near.data = np.where(cosine > NO_NEIGHBOUR, np.abs(cosine) ** SHARPNESS, 0.0)
    near.eliminate_zeros()
    return (near + near.T).tocoo()


def _note(rows: int) -> str:
    if rows:
        return f"label_spreading: learned from {rows:,} rows without label too"
    return "label_spreading: found no rows without label, so it is a linear probe on the labelled ones"
