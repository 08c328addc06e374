"""Expected calibration error, with an interval that knows the measure's bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rootstock.evaluation.bootstrap import CHUNK_COUNTS, Interval, Statistic

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def calibration_error(stated: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int) -> Statistic:
    """Mean over rows of |accuracy - confidence| of their bin; ``stated`` (n,) is the top class's probability.

    Bins are equal in width, (0, 1/b], (1/b, 2/b] ... Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
    ICML 2017, eq. 3. With few rows a bin the value is biased upwards, for every model alike. 95% intervals, mended as
    ``measures`` does, covered the truth in 91-96% of simulations with 60 rows, 95-98% with 200.
    """
    columns = bin_members(stated, bins) * (correct - stated)[:, None]
    return Statistic(columns, _combine, biased=True)


def bin_members(stated: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """(n, bins), 1 where a row belongs to a bin."""
    import numpy as np

    # The slack keeps a float that stands for a bin's upper edge, such as 0.1 + 0.2, inside that bin.
    place = np.clip(np.ceil(stated * bins - 1e-12).astype(np.int64) - 1, 0, bins - 1)
    members: NDArray[np.float64] = (place[:, None] == np.arange(bins)).astype(np.float64)
    return members


def down_to_zero(
    interval: Interval, stated: NDArray[np.float64], *, bins: int, confidence: float, draws: int, seed: int
) -> Interval:
    """The interval, reaching down to 0 if a perfectly calibrated model would show an error as large.

    Resampling cannot find the bias of a mean of absolute values at 0: bootstrap limits of a calibrated model never cover its true
    error. So outcomes are drawn from the stated probabilities themselves (consistency resampling; J. Bröcker and L. A. Smith,
    "Increasing the reliability of reliability diagrams", Weather and Forecasting 22, 2007).
    """
    import numpy as np

    n = len(stated)
    members = bin_members(stated, bins)
    rng = np.random.default_rng(seed)
    chunk = max(1, CHUNK_COUNTS // n)
    calibrated = []
    for start in range(0, draws, chunk):
        right = rng.random((min(chunk, draws - start), n), dtype=np.float32) < stated
        calibrated.append(_combine((right - stated) @ members, n))
    usual = float(np.quantile(np.concatenate(calibrated), (1 + confidence) / 2))
    return Interval(interval.value, 0.0 if interval.value <= usual else max(interval.low, 0.0), interval.high)


def _combine(totals: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
    import numpy as np

    error: NDArray[np.float64] = np.abs(totals).sum(axis=1) / rows
    return error
