"""Error rates of two groups of different rows: the interval of their difference."""

from __future__ import annotations

import math


def newcombe_interval(wrong: tuple[float, float], rows: tuple[float, float], *, confidence: float) -> tuple[float, float]:
    """Limits of rate 1 minus rate 2, where rate i is ``wrong[i] / rows[i]``; both groups need a row.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of eleven methods",
    Statistics in Medicine 17, 1998, method 10: Wilson's limits of the two rates, combined. It has a width where nobody errs.
    """
    import numpy as np

    from rootstock.evaluation.wilson import wilson_interval

    low, high = wilson_interval(np.array(wrong), np.array(rows), confidence=confidence)
    first, second = wrong[0] / rows[0], wrong[1] / rows[1]
    difference = first - second
    below = math.hypot(first - low[0], high[1] - second)
    above = math.hypot(high[0] - first, second - low[1])
    return difference - below, difference + above
