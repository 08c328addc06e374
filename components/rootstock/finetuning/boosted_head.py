"""Boosted trees on frozen features: the backbone stays, and the head need not be linear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from rootstock.boosted import Boosting, grow, log_probabilities_after
from rootstock.part import FineTuneMethod, Fitted, Rows, Start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BoostedHeadMethod(FineTuneMethod):
    """Gradient-boosted trees on features of unit length, by LightGBM; the number of rounds is the setting to choose.

    A head that was learned before is not drawn on: trees have no place for it. A model with this head is exported merged, not as
    ONNX, and what is trained from it later gets its backbone and no head.
    """

    name: Literal["boosted_head"] = "boosted_head"
    setting_unit: ClassVar[str] = "rounds"
    rounds: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    """to choose from; each adds a tree a class"""
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    leaves: Annotated[int, Field(ge=2)]
    """of a tree"""
    rows_a_leaf: PositiveInt
    """at least; a class with fewer rows cannot be told apart"""
    feature_share: Annotated[float, Field(gt=0, le=1)]
    """of the features that a tree may use, drawn anew for each"""
    l2: NonNegativeFloat
    """penalty on the values of leaves"""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """One fit of the most rounds; the held-out rows are predicted after each number of rounds, or after ``setting`` alone."""
        import numpy as np

        counts = sorted(self.rounds) if setting is None else [int(setting)]
        boosting = Boosting(self.learning_rate, self.leaves, self.rows_a_leaf, self.feature_share, self.l2)
        head = grow(rows.features, rows.labels, classes=start.classes, rounds=counts[-1], boosting=boosting, seed=seed)
        predicted: dict[float, NDArray[np.float64]] = {}
        if heldout is not None:
            predicted = {
                float(count): np.exp(log_probabilities_after(head, heldout.features, rounds=count)) for count in counts
            }  # fmt: skip
        return Fitted(head, None, predicted, (), head.numbers)
