"""Corrections for looking often, and at many things at once."""

from __future__ import annotations

import math
from collections.abc import Sequence


def window_level(alpha: float, looks: int) -> float:
    """Chance of a false alarm that one window may spend: ``alpha`` in equal parts over ``looks`` windows (Bonferroni).

    It holds however the windows depend on each other: they share a reference, and may overlap.
    """
    return alpha / looks


def holm_levels(p_values: Sequence[float], level: float) -> tuple[float, ...]:
    """The level each of k p-values is held to so that the chance of any false alarm is at most ``level``.

    Holm, A simple sequentially rejective multiple test procedure, 1979: the smallest is held to level / k, the next to
    level / (k - 1), and so on; after the first that is not below, all others stay at that level.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    levels = [0.0] * len(p_values)
    held = level / max(len(p_values), 1)
    stopped = False
    for rank, index in enumerate(order):
        if not stopped:
            held = level / (len(p_values) - rank)
        levels[index] = held
        stopped = stopped or p_values[index] > held
    return tuple(levels)


def permutations_needed(level: float) -> int:
    """Permutations with which a permutation p-value, at least 1 / (permutations + 1), can reach ``level``."""
    return math.ceil(1 / level * (1 - 1e-12)) - 1
