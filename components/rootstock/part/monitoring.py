"""Parts that tell whether the world has drifted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rootstock.part.base import Part

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.records import DriftResult


@dataclass(frozen=True)
class Window:
    """Rows seen in one period, as every drift test sees them."""

    descriptors: pd.DataFrame
    """(n, k) numeric, from the modality"""
    embeddings: NDArray[np.float64]
    """(n, d) of the champion's backbone"""
    probabilities: NDArray[np.float64]
    """(n, c) of the champion"""


class DriftTest(Part, ABC):
    """A two-sample test between the champion's reference rows and a window of what it was asked since."""

    family: ClassVar[str] = "drift test"
    package: ClassVar[str] = "rootstock.monitoring"

    @abstractmethod
    def compare(self, reference: Window, current: Window, *, seed: int) -> tuple[DriftResult, ...]:
        """One result a column or view compared, each with a p-value and an effect size."""
