"""A logistic head on frozen features: the safest method when rows are few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from rootstock.head import log_probabilities, logistic_head
from rootstock.part import FineTuneMethod, Fitted, Rows, Start

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LinearProbe(FineTuneMethod):
    """Multinomial logistic regression on features of unit length; the inverse penalty is the setting to choose.

    Where the start has learned the same classes before, the penalty is on the distance from its head.
    """

    name: Literal["linear_probe"] = "linear_probe"
    setting_unit: ClassVar[str] = "inverse penalty"
    regularisations: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    """inverse strengths of the L2 penalty (scikit-learn's C) to choose from"""

    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """One head for each inverse penalty, or for ``setting`` alone; the last one is returned."""
        import numpy as np

        predicted: dict[float, NDArray[np.float64]] = {}
        for penalty in self.regularisations if setting is None else (setting,):
            head = logistic_head(rows.features, rows.labels, classes=start.classes, inverse_penalty=penalty, prior=start.prior)
            if heldout is not None:
                predicted[penalty] = np.exp(log_probabilities(heldout.features, head))
        return Fitted(head, None, predicted, (), head.numbers)
