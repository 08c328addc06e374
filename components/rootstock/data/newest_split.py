"""Test rows where rows have a time: the newest are held out, as a model in production is asked about what came after it learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rootstock.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read_times(values: Sequence[str]) -> NDArray[np.float64]:
    """(n,) numbers that stand in the order of times: numbers as they are, or dates and times as ISO 8601 writes them.

    A row without one ("") is the newest: it was labelled since, from what the model was asked. NaN for what is no time.
    """
    import numpy as np
    import pandas as pd

    text = pd.Series(list(values), dtype="object")
    given = (text != "").to_numpy()
    found = np.full(len(text), np.inf)
    numbers = pd.to_numeric(text[given], errors="coerce")
    if numbers.isna().any():
        dates = pd.to_datetime(text[given], format="ISO8601", utc=True, errors="coerce")
        numbers = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    found[given] = numbers.to_numpy(dtype=np.float64)
    return found


def hold_out_newest(times: NDArray[np.float64], *, test_fraction: float) -> NDArray[np.bool_]:
    """(n,) rows to test on: all from one time on, so that they are as near to ``test_fraction`` of the rows as equal times allow.

    Raises DataError where all rows have one time.
    """
    import numpy as np

    cuts = np.unique(times)[1:]
    if not len(cuts):
        raise DataError(
            f"data.columns.time: expected rows of at least two times, found one in all {len(times)}; name another column, or null"
        )
    newer = len(times) - np.searchsorted(np.sort(times), cuts, side="left")
    return np.asarray(times >= cuts[np.abs(newer - test_fraction * len(times)).argmin()])
