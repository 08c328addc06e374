"""Rows whose labels would move the head the most, each in another direction (BADGE: Ash et al. 2020, ICLR, arXiv 1906.03671).

The gradient of the last layer at a row is the outer product of its error (probabilities less the guessed class) and its
embedding. Its length says how unsure the model is. Rows are drawn as k-means++ draws its centres (Arthur and Vassilvitskii 2007):
with a chance in proportion to the squared distance from those already drawn. The outer products, c times d numbers a row, are
never formed: their inner products are those of the errors times those of the embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rootstock.part import Pool, QueryStrategy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Badge(QueryStrategy):
    """Unsure rows that differ from one another."""

    name: Literal["badge"] = "badge"

    def choose(self, pool: Pool, rows: int, *, seed: int) -> NDArray[np.int64]:
        import numpy as np

        errors = pool.probabilities - np.eye(pool.probabilities.shape[1])[pool.probabilities.argmax(axis=1)]
        lengths = (errors**2).sum(axis=1) * (pool.embeddings**2).sum(axis=1)
        random = np.random.default_rng(seed)
        chosen = [int(lengths.argmax())]
        nearest = np.full(len(lengths), np.inf)
        while len(chosen) < rows:
            last = chosen[-1]
            products = (errors @ errors[last]) * (pool.embeddings @ pool.embeddings[last])
            nearest = np.minimum(nearest, np.maximum(lengths + lengths[last] - 2 * products, 0))
            nearest[chosen] = 0
            total = nearest.sum()
            if total > 0:
                drawn = random.choice(len(lengths), p=nearest / total)
            else:  # all that is left is equal to what was drawn: any of it will do
                drawn = random.choice(np.setdiff1d(np.arange(len(lengths)), chosen))
            chosen.append(int(drawn))
        return np.array(chosen, dtype=np.int64)
