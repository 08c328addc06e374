"""The paired difference in accuracy."""

from __future__ import annotations

import pytest
from rootstock.report.paired import paired_difference


def paired(both: int, first: int, second: int, neither: int) -> tuple[list[bool], list[bool]]:
    left = [True] * (both + first) + [False] * (second + neither)
    right = [True] * both + [False] * first + [True] * second + [False] * neither
    return left, right


def test_the_interval_is_the_published_one() -> None:
    # Complete responses before and after consolidation (Cavo et al. 2012) in Fagerland, Lydersen and Laake, "Statistical
    # Analysis of Contingency Tables", 2017, section 8.
    found = paired_difference(*paired(59, 6, 16, 80), confidence=0.95)
    assert (found.value, found.low, found.high) == pytest.approx((-0.0621, -0.1240, -0.0054), abs=5e-5)


@pytest.mark.parametrize("cells", [(300, 37, 7, 106), (50, 0, 0, 10), (0, 3, 0, 0), (1, 1, 1, 0), (20, 0, 5, 3)])
def test_the_interval_is_that_of_the_gates(cells: tuple[int, int, int, int]) -> None:
    from rootstock.paired import Pair, score_interval

    found = paired_difference(*paired(*cells), confidence=0.9)
    gate = score_interval(Pair(wins=cells[1], losses=cells[2], n=sum(cells)), confidence=0.9)
    assert (found.low, found.high) == pytest.approx(gate, abs=1e-8)


def test_swapping_the_models_mirrors_the_interval() -> None:
    left, right = paired(20, 9, 3, 8)
    there, back = paired_difference(left, right, confidence=0.9), paired_difference(right, left, confidence=0.9)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_rows_on_which_both_agree_do_not_move_the_difference_away_from_nought() -> None:
    found = paired_difference(*paired(50, 0, 0, 10), confidence=0.95)
    assert found.value == 0
    assert found.low < 0 < found.high


def test_one_row_gives_an_interval_within_its_range() -> None:
    found = paired_difference([True], [False], confidence=0.95)
    assert -1 <= found.low < found.high <= 1
    assert not found.settled


def test_no_rows_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        paired_difference([], [], confidence=0.95)


def test_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="found 2 and 1"):
        paired_difference([True, False], [True], confidence=0.95)
