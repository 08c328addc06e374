"""Parts that choose which rows people should label next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rootstock.part.base import Part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Pool:
    """Rows without a label, as a model sees them."""

    probabilities: NDArray[np.float64]
    """(n, c)"""
    embeddings: NDArray[np.float64]
    """(n, d)"""


class QueryStrategy(Part, ABC):
    """A way to spend labels: which rows of a pool teach a model the most (Settles 2009, Active Learning Literature Survey)."""

    family: ClassVar[str] = "query strategy"
    package: ClassVar[str] = "rootstock.labelling"

    @abstractmethod
    def choose(self, pool: Pool, rows: int, *, seed: int) -> NDArray[np.int64]:
        """``rows`` different indices into a pool of at least as many, the most wanted first."""
