"""A predicted gain, and the errors made before that tell how far off it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Prediction:
    """A predicted gain in accuracy."""

    gain: float
    low: float
    high: float
    risk: float
    """probability that the gain is below zero"""


@dataclass(frozen=True)
class Spread:
    """Errors (n,) made before, and how much each counts."""

    errors: NDArray[np.float64]
    mass: NDArray[np.float64]

    def around(self, gain: float, *, confidence: float) -> Prediction:
        """The gain with the interval and the risk that these errors give it."""
        import numpy as np

        tail = (1 - confidence) / 2
        order = np.argsort(self.errors)
        shares = np.cumsum(self.mass[order]) / self.mass.sum()
        places = np.minimum(np.searchsorted(shares, [tail, 1 - tail]), len(order) - 1)
        low, high = (float(error) for error in self.errors[order][places])
        risk = (float(self.mass[self.errors < -gain].sum()) + 0.5) / (float(self.mass.sum()) + 1.0)
        return Prediction(gain, gain + low, gain + high, risk)
