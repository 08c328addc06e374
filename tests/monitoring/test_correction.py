from __future__ import annotations

import numpy as np
import pytest
from rootstock.monitoring.correction import holm_levels, permutations_needed, window_level


def test_alpha_is_spent_in_equal_parts() -> None:
    assert 52 * window_level(0.05, 52) == pytest.approx(0.05)


def test_holm_reproduces_a_worked_example() -> None:
    p_values = (0.01, 0.04, 0.03, 0.005)  # rejected at 0.05: 0.005 <= .05/4 and 0.01 <= .05/3, then 0.03 > .05/2 stops
    levels = holm_levels(p_values, 0.05)
    assert [p <= level for p, level in zip(p_values, levels, strict=True)] == [True, False, False, True]


def test_holm_does_not_depend_on_the_order() -> None:
    p_values = np.random.default_rng(0).random(7) ** 4
    order = np.random.default_rng(1).permutation(7)
    assert np.allclose(np.array(holm_levels(list(p_values), 0.05))[order], holm_levels(list(p_values[order]), 0.05))


def test_one_p_value_is_held_to_the_whole_level() -> None:
    assert holm_levels([0.5], 0.05) == (0.05,)


@pytest.mark.parametrize("level", [0.05, 0.01, 0.05 / 52 / 9])
def test_permutations_needed_are_just_enough(level: float) -> None:
    needed = permutations_needed(level)
    assert 1 / (needed + 1) <= level * (1 + 1e-9) < 1 / needed
