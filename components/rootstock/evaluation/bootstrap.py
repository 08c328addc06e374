"""Bootstrap intervals over rows, for any measure that is a function of totals over rows.

All measures of all models share one set of resamples, so that a resample is one row of a matrix product: 2000 draws of 1000 rows
take about a second for six models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Row counts held at once, so that memory stays near 60 MB whatever the number of rows.
CHUNK_COUNTS = 4_000_000


@dataclass(frozen=True)
class Statistic:
    """A measure as per-row columns, whose totals are combined into one number."""

    columns: Any
    """(n, m): an array, or a sparse one where most is zero, as with a column a class"""
    combine: Callable[[NDArray[np.float64], float], NDArray[np.float64]]
    """((k, m) totals, number of rows in each) -> (k,) values"""
    biased: bool = False
    """whether resampling adds to the value, as noise adds to a sum of absolute values"""

    @property
    def rows(self) -> int:
        """n"""
        return int(self.columns.shape[0])

    def value(self) -> float:
        """The measure on the rows as they are."""
        return float(self.combine(self.columns.sum(axis=0)[None], self.rows)[0])

    def left_out(self) -> NDArray[np.float64]:
        """(n,) the measure without each row in turn; none of a single row."""
        import numpy as np

        n, m = self.columns.shape
        if n < 2:
            return np.empty(0)
        whole, chunk = self.columns.sum(axis=0), max(1, CHUNK_COUNTS // max(m, 1))
        parts = (self.columns[start : start + chunk] for start in range(0, n, chunk))
        return np.concatenate([self.combine(whole - (part.toarray() if self.is_sparse else part), n - 1) for part in parts])

    @property
    def is_sparse(self) -> bool:
        """Whether the columns are."""
        from scipy.sparse import issparse

        return bool(issparse(self.columns))


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence limits; the value always lies within them."""

    value: float
    low: float
    high: float


def bootstrap_intervals(statistics: Mapping[str, Statistic], *, confidence: float, draws: int, seed: int) -> dict[str, Interval]:
    """Bootstrap intervals of statistics over the same n rows: BCa, or for biased statistics shifted percentiles.

    Seeded; depends on the order of the rows only through the draw. Raises ValueError for no rows, or statistics over different
    numbers of rows.
    """
    import numpy as np

    counts = {statistic.rows for statistic in statistics.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(f"expected statistics over the same rows, at least one, found {sorted(counts)} rows")
    n = counts.pop()
    values: dict[str, list[NDArray[np.float64]]] = {name: [] for name in statistics}
    for resample in _resamples(n, draws, seed):
        for name, statistic in statistics.items():
            values[name].append(statistic.combine(resample @ statistic.columns, n))
    found = {}
    for name, statistic in statistics.items():
        drawn = np.concatenate(values[name])
        if statistic.biased:
            found[name] = shifted(statistic.value(), drawn, confidence=confidence)
        else:
            found[name] = bca(statistic.value(), drawn, statistic.left_out(), confidence=confidence)
    return found


def bca(value: float, drawn: NDArray[np.float64], jackknife: NDArray[np.float64], *, confidence: float) -> Interval:
    """Bias-corrected and accelerated limits from (draws,) bootstrap values and (n,) leave-one-out values.

    B. Efron, "Better bootstrap confidence intervals", JASA 82, 1987.
    """
    import numpy as np
    from scipy.stats import norm

    draws = len(drawn)
    below = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / draws
    bias = norm.ppf(np.clip(below, 0.5 / draws, 1 - 0.5 / draws))
    deviation = jackknife.mean() - jackknife if len(jackknife) else np.zeros(1)
    spread = np.sum(deviation**2)
    acceleration = np.sum(deviation**3) / (6 * spread**1.5) if spread > 0 else 0.0
    z = bias + norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(drawn, norm.cdf(bias + z / (1 - acceleration * z)))
    return Interval(value, min(float(low), value), max(float(high), value))


def shifted(value: float, drawn: NDArray[np.float64], *, confidence: float) -> Interval:
    """Percentile limits moved by twice the bias: the draws overstate the value as the value overstates the truth.

    B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 10.2, for the bias.
    """
    import numpy as np

    bias = float(drawn.mean()) - value
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]) - 2 * bias
    return Interval(value, min(float(low), value), max(float(high), value))


def _resamples(n: int, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Chunks (k, n) of how often each row was drawn; each row of a chunk sums to n."""
    import numpy as np

    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_COUNTS // n)
    for start in range(0, draws, chunk):
        k = min(chunk, draws - start)
        drawn = rng.integers(0, n, size=(k, n)) + n * np.arange(k)[:, None]
        yield np.bincount(drawn.ravel(), minlength=k * n).reshape(k, n).astype(np.float64)
