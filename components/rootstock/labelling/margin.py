"""Rows between two classes (Scheffer, Decomain and Wrobel 2001, Active Hidden Markov Models for Information Extraction)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rootstock.part import Pool, QueryStrategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Margin(QueryStrategy):
    """Rows whose two likeliest classes are nearest to each other in probability."""

    name: Literal["margin"] = "margin"

    def choose(self, pool: Pool, rows: int, *, seed: int) -> NDArray[np.int64]:
        import numpy as np

        return np.argsort(margins(pool.probabilities), kind="stable")[:rows]


def margins(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) from (n, c): how much likelier the first class is than the second, 0..1."""
    import numpy as np

    two = np.sort(probabilities, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])
