"""Drift of what inputs mean to the champion: its embeddings, by maximum mean discrepancy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rootstock.errors import DataError
from rootstock.part import DriftTest, Window
from rootstock.records import DriftResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 1000
#: Of each side so many rows are compared at most: memory grows with the square of their number, and a test on these sees what is
#: worth a retraining.
MOST_ROWS = 2_000


class EmbeddingDrift(DriftTest):
    """Maximum mean discrepancy with an RBF kernel of median bandwidth, and a permutation p-value.

    Gretton et al., A Kernel Two-Sample Test, 2012. The effect is that of the same kernel used to tell new rows from old: the area
    under the ROC curve of the witness function, each row left out of its own mean, less 0.5; 0 is no better than a guess and 0.5
    is without error. p-values are at least 1 / (permutations + 1). Of more than 2,000 reference or current rows so many are drawn.
    """

    name: Literal["embedding_drift"] = "embedding_drift"
    permutations: Annotated[int, Field(ge=1)]
    effect_floor: float

    def compare(self, reference: Window, current: Window, *, seed: int) -> tuple[DriftResult, ...]:
        """One result, ``embedding``. Raises DataError for other widths, and for embeddings that are not finite."""
        import numpy as np

        old, new = reference.embeddings, current.embeddings
        if old.shape[1] != new.shape[1]:
            raise DataError(
                f"embedding_drift: expected embeddings of {old.shape[1]} numbers as in the reference, found {new.shape[1]}; "
                "compare rows predicted by the same version"
            )
        old, new = (_drawn(each, seed=(seed, side)) for side, each in enumerate((old, new)))
        rows = np.concatenate([old, new])
        if bad := int((~np.isfinite(rows)).any(axis=1).sum()):
            raise DataError(f"embedding_drift: expected finite embeddings, found {bad} of {len(rows)} rows without; predict again")
        order = np.lexsort(rows.T)  # by content, so that the same permutations meet the same rows in whatever order they came
        is_new = order >= len(old)
        kernel = _rbf(rows[order])
        statistic, p_value = _permutation_test(kernel, is_new, self.permutations, seed)
        effect = max(_witness_auc(kernel, is_new) - 0.5, 0.0)
        return (
            DriftResult(
                test=self.name,
                view="embedding",
                statistic=statistic,
                p_value=p_value,
                effect=effect,
                effect_floor=self.effect_floor,
                drifted=False,
                reason=f"a rule that knows old and new rows tells them apart, area under the ROC curve {0.5 + effect:.2f}"
                + _of_more(reference, current),
            ),
        )


def _drawn(rows: NDArray[np.float64], *, seed: tuple[int, int]) -> NDArray[np.float64]:
    """At most ``MOST_ROWS`` of the rows, the same in whatever order they came."""
    import numpy as np

    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.lexsort(rows.T)][np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS]]


def _of_more(reference: Window, current: Window) -> str:
    sides = {"old": len(reference.embeddings), "new": len(current.embeddings)}
    drawn = [f"{MOST_ROWS:,} of {rows:,} {side} rows" for side, rows in sides.items() if rows > MOST_ROWS]
    return f" ({' and '.join(drawn)} drawn)" if drawn else ""


def _rbf(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, N) exp(-d^2 / (2 s^2)) with s^2 the median squared distance over 2; ones where all rows are alike."""
    import numpy as np
    from scipy.spatial.distance import pdist, squareform

    squared = pdist(rows, "sqeuclidean")
    positive = squared[squared > 0]
    if not len(positive):
        return np.ones((len(rows), len(rows)))
    return np.asarray(np.exp(-squareform(squared) / np.median(positive)))


def _permutation_test(kernel: NDArray[np.float64], is_new: NDArray[np.bool_], permutations: int, seed: int) -> tuple[float, float]:
    """Squared MMD (biased, >= 0) and its permutation p-value.

    With s the indicator of the m new rows among N = n + m and a doubly centred kernel, squared MMD is (N / (n m))^2 s'Ks, so that
    all permutations of a chunk cost one matrix product.
    """
    import numpy as np

    rows, drawn = len(is_new), int(is_new.sum())
    centred = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
    scale = (rows / (drawn * (rows - drawn))) ** 2
    chosen = is_new.astype(np.float64)
    observed = float(chosen @ centred @ chosen)
    slack = 1e-9 * abs(observed) + 1e-12  # equal up to rounding counts as at least as large
    rng = np.random.default_rng(seed)
    above = 0
    for start in range(0, permutations, CHUNK):
        size = min(CHUNK, permutations - start)
        draws = np.argpartition(rng.random((size, rows), dtype=np.float32), drawn - 1, axis=1)[:, :drawn]
        picks = np.zeros((size, rows))
        np.put_along_axis(picks, draws, 1.0, axis=1)
        above += int(np.count_nonzero(((picks @ centred) * picks).sum(axis=1) >= observed - slack))
    return scale * observed, (above + 1) / (permutations + 1)


def _witness_auc(kernel: NDArray[np.float64], is_new: NDArray[np.bool_]) -> float:
    """Area under the ROC curve of mean similarity to new rows less mean similarity to old ones, leave-one-out."""
    import numpy as np
    from scipy.stats import rankdata

    to_new, to_old = kernel[:, is_new].sum(axis=1), kernel[:, ~is_new].sum(axis=1)
    new, old = int(is_new.sum()), int((~is_new).sum())
    own = kernel.diagonal()
    near_new = np.where(is_new, (to_new - own) / max(new - 1, 1), to_new / new)
    near_old = np.where(is_new, to_old / old, (to_old - own) / max(old - 1, 1))
    ranks = rankdata(np.round(near_new - near_old, 12))
    return float((ranks[is_new].sum() - new * (new + 1) / 2) / (new * old))
