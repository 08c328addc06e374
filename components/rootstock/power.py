"""What a number of rows can show: the chance that a test finds a difference, and the rows that it takes.

Exact wherever that is possible: a test at a level near 1e-3 is further from its normal approximation than the rows it asks for may
be wrong by.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from statistics import NormalDist
from typing import TYPE_CHECKING

from rootstock.paired import POWER, score_statistic
from rootstock.records import Detectable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.part import Sample

#: Rows beyond which no answer is looked for.
MOST_ROWS = 10**8
#: Standard deviations of a count that are summed over, on either side; what lies outside is below 1e-9.
TAIL = 6.5
#: Counts of a grid's side: more are thinned out evenly, which changes a power by less than .01.
GRID = 160
TOLERANCE = 1e-4


def power_to_show_better(n: int, difference: float, *, discordance: float, level: float) -> float:
    """Chance that the exact one-sided McNemar test at ``level`` finds a true ``difference`` in accuracy among n rows.

    Unconditional: over the number of discordant rows, Binomial(n, discordance), and the wins among them. ``discordance`` is the
    share of rows on which exactly one of the two is right; it cannot be less than the difference, and counts as that if it is.
    J. Suissa and J. J. Shuster, "The 2 x 2 matched-pairs trial: exact unconditional design and analysis", Biometrics 47, 1991.
    """
    from scipy.stats import binom

    discordance = min(max(discordance, abs(difference)), 1.0)
    if discordance <= 0:
        return 0.0
    count, weight = _counts(n, discordance)
    critical = binom.isf(level, count, 0.5)  # the largest number of wins that is not yet enough
    return float(weight @ binom.sf(critical, count, (discordance + difference) / (2 * discordance)))


def power_to_exclude(n: int, margin: float, *, discordance: float, level: float) -> float:
    """Chance that Tango's one-sided limit at ``level`` lies above -``margin``, if the two are equally accurate."""
    import numpy as np
    from scipy.stats import binom

    count, weight = _counts(n, discordance)
    z = NormalDist().inv_cdf(1 - level)
    half = TAIL * math.sqrt(max(float(count.max()), 1.0)) / 2
    wins = np.unique(np.linspace(np.floor(count / 2 - half), np.ceil(count / 2 + half), GRID).round().astype(np.int64), axis=0)
    chance = np.where((wins >= 0) & (wins <= count), binom.pmf(wins, count, 0.5), 0.0)
    chance /= np.maximum(chance.sum(axis=0), 1e-300)
    inside = np.clip(wins, 0, count)
    passed = score_statistic(inside, count - inside, n, -margin) > z
    return float(weight @ (chance * passed).sum(axis=0))


def power_to_bound_gap(n: Sequence[float], gap: float, *, rate: float, level: float) -> float:
    """Chance, or less, that every difference of two groups' rates is shown below ``gap``, if all groups have the same ``rate``.

    ``n`` are the rows of each group; the limits are Newcombe's (see evaluation/two_groups.py) at the one-sided ``level``. By the
    union bound over all ordered pairs of groups, so it errs towards more rows.
    """
    from itertools import permutations

    missed = 0.0
    for first, second in permutations(n, 2):
        if min(first, second) < 1:
            return 0.0
        low, high = (_wilson(rate, rows, level) for rows in (second, first))
        above = math.hypot(high[1] - rate, rate - low[0])
        spread = math.sqrt(rate * (1 - rate) * (1 / first + 1 / second))
        missed += NormalDist().cdf((above - gap) / spread) if spread > 0 else float(above >= gap)
    return max(0.0, 1 - missed)


def fewest_rows(power: Callable[[int], float], *, wanted: float = POWER) -> int | None:
    """The smallest number of rows with at least this power, to within one in a thousand; None if 100 million are not enough."""
    high = 1
    while power(high) < wanted:
        high *= 2
        if high > MOST_ROWS:
            return None
    low = high // 2
    while high - low > max(1, high // 1000):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high


def smallest_difference(power: Callable[[float], float], *, wanted: float = POWER) -> float:
    """The smallest difference up to 1 found with at least this power; 1 if none is."""
    low, high = 0.0, 1.0
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return high


def detectable_by(
    power: Callable[[int, float], float], *, gate: str, question: str, rows: int, level: float, wanted: float | None
) -> Detectable:
    """What a gate can tell where ``power`` is its chance to find a difference, given the rows and the difference."""
    return Detectable(
        gate=gate,
        question=question,
        rows=rows,
        level=level,
        smallest=smallest_difference(partial(power, rows)),
        wanted=wanted,
        rows_needed=fewest_rows(partial(_of_rows, power, wanted)) if wanted is not None else None,
    )


def paired_detectables(
    gate: str,
    sample: Sample,
    *,
    shown: str | None,
    show_level: float,
    excluded: str | None,
    margin: float,
    exclude_level: float,
    wanted: float | None,
) -> tuple[Detectable, ...]:
    """What a comparison of two models in accuracy can tell: a gain that is shown, and a loss that is excluded if there is none.

    Either is left out where its question is None. Without ``wanted``, the loss asked about is ``margin``, and no gain is.
    """
    rows, discordance = sample.rows, sample.discordance

    def gain(n: int, difference: float) -> float:
        return power_to_show_better(n, difference, discordance=discordance, level=show_level)

    def loss(n: int, difference: float) -> float:
        return power_to_exclude(n, difference, discordance=discordance, level=exclude_level)

    asked = (
        (shown, show_level, gain, wanted),
        (excluded, exclude_level, loss, wanted if wanted is not None else margin),
    )
    return tuple(
        detectable_by(power, gate=gate, question=question, rows=rows, level=level, wanted=difference)
        for question, level, power, difference in asked
        if question is not None
    )


def _of_rows(power: Callable[[int, float], float], difference: float, n: int) -> float:
    return power(n, difference)


def _counts(n: int, share: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Likely values of Binomial(n, share) and their probabilities."""
    import numpy as np
    from scipy.stats import binom

    half = TAIL * math.sqrt(n * share * (1 - share)) + 3
    ends = max(0, math.floor(n * share - half)), min(n, math.ceil(n * share + half))
    count = np.unique(np.linspace(*ends, min(GRID, ends[1] - ends[0] + 1)).round().astype(np.int64))
    weight = binom.pmf(count, n, share)
    return count, weight / weight.sum()


def _wilson(rate: float, rows: float, level: float) -> tuple[float, float]:
    """Wilson's limits of a share seen as ``rate``, each one-sided at ``level``."""
    z = NormalDist().inv_cdf(1 - level)
    centre = (rate + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * math.sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows))
    return max(0.0, min(centre - half, rate)), min(1.0, max(centre + half, rate))
