"""Rows without labels help as well: labels spread to them along a graph of near neighbours, and a head learns from all.

It pays where classes form clusters under the features, as intents and topics do, and costs where they do not, as with opinions on
an untuned backbone: `benchmarks/label_spreading.py` measures both. So no rule takes it; cross-validation may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from rootstock.finetuning.spread_labels import spread_labels
from rootstock.head import log_probabilities, logistic_head, scaled
from rootstock.part import FineTuneMethod, FineTuneMethodPart, Fitted, Rows, Start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder


class LabelSpreading(FineTuneMethod):
    """Label spreading to the target's rows without label (see spread_labels.py), and a logistic head on all of them.

    The head answers new rows; the graph is not kept. Where the start has learned the same classes before, the head is drawn towards
    the one from there. Without such rows it is a linear probe, and says so. They do not count as learned from where a model is
    measured later: nothing of their labels was seen.
    """

    name: Literal["label_spreading"] = "label_spreading"
    setting_unit: ClassVar[str] = "neighbours"
    neighbours: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """of a row in the graph, to choose from: few where a class has few rows"""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """share of a row's scores that comes from its neighbours, the rest from its own label"""
    class_shares: Literal["free", "as_labelled"]
    """as_labelled: the rows without label are taken to hold the classes in the shares of the labelled ones, which helps where those
    are a random sample, and costs where they were picked class by class; cross-validation cannot tell which"""
    regularisation: PositiveFloat
    """inverse strength of the head's L2 penalty (scikit-learn's C)"""
    unlabelled_rows: PositiveInt
    """read at most; the time for the graph grows with their square"""
    after: FineTuneMethodPart | None
    """a method that first changes the backbone on the labelled rows, for all its epochs; null leaves the backbone as it is. The
    graph then joins rows by the mean of their cosines before and after."""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Spread and fit a head for each number of neighbours, or for ``setting`` alone; the last one is returned."""
        import numpy as np

        before = self.after.fit(start, rows, heldout=None, setting=None, seed=seed) if self.after is not None else None
        encoder = before.encoder if before is not None else None
        features, joined = self._features(start, rows, encoder)
        asked = None
        if heldout is not None:
            asked = encoder.embed(heldout.inputs, "embedding") if encoder else heldout.features
        predicted: dict[float, NDArray[np.float64]] = {}
        for neighbours in self.neighbours if setting is None else (int(setting),):
            known, weights = spread_labels(
                joined, rows.labels, neighbours=neighbours, alpha=self.alpha, as_labelled=self.class_shares == "as_labelled"
            )
            head = logistic_head(
                features, known, classes=start.classes, inverse_penalty=self.regularisation,
                prior=None if encoder else start.prior, row_weights=weights,
            )  # fmt: skip
            if asked is not None:
                predicted[float(neighbours)] = np.exp(log_probabilities(asked, head))
        moved = before.trainable_parameters - before.head.numbers if before is not None else 0
        notes = (*(before.notes if before is not None else ()), _note(len(features) - len(rows.labels)))
        return Fitted(head, encoder, predicted, before.losses if before is not None else (), moved + head.numbers, notes)

    def _features(self, start: Start, rows: Rows, encoder: Encoder | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features (n, d) of the labelled rows and then of those without label, for the head; and such (n, d') for the graph."""
        import numpy as np

        more, most = start.unlabelled, self.unlabelled_rows
        found = np.vstack([rows.features, more.features(most)]) if more is not None else rows.features
        if encoder is None:
            return found, found
        inputs = [*rows.inputs, *(more.inputs(most) if more is not None else ())]
        changed = encoder.embed(inputs, "embedding rows without label")
        return changed, np.hstack([scaled(changed), scaled(found)])


def _note(rows: int) -> str:
    if rows:
        return f"label_spreading: learned from {rows:,} rows without label too"
    return "label_spreading: found no rows without label, so it is a linear probe on the labelled ones"
