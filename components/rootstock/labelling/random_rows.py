"""Rows by chance: what every strategy has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rootstock.part import Pool, QueryStrategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RandomRows(QueryStrategy):
    """Rows drawn without looking."""

    name: Literal["random"] = "random"

    def choose(self, pool: Pool, rows: int, *, seed: int) -> NDArray[np.int64]:
        import numpy as np

        return np.random.default_rng(seed).permutation(len(pool.probabilities))[:rows]
