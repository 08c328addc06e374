"""What a number of rows can show, against simulation, published designs and limits that are known."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock import power
from rootstock.evaluation.two_groups import newcombe_interval
from rootstock.paired import Pair, mcnemar_exact, score_interval
from rootstock.power import (
    fewest_rows,
    power_to_bound_gap,
    power_to_exclude,
    power_to_show_better,
    smallest_difference,
)
from scipy.stats import binom, multinomial
from statsmodels.stats.proportion import confint_proportions_2indep


@pytest.mark.parametrize(("n", "difference", "discordance", "level"), [(20, 0.3, 0.5, 0.05), (30, 0.2, 0.2, 0.01)])
def test_the_power_of_mcnemars_test_is_the_sum_over_all_outcomes(
    n: int, difference: float, discordance: float, level: float
) -> None:
    shares = [(discordance + difference) / 2, (discordance - difference) / 2, 1 - discordance]
    total = sum(
        multinomial.pmf([wins, losses, n - wins - losses], n, shares)
        for wins in range(n + 1)
        for losses in range(n + 1 - wins)
        if mcnemar_exact(Pair(wins, losses, n)) <= level
    )
    assert power_to_show_better(n, difference, discordance=discordance, level=level) == pytest.approx(total, abs=1e-6)


@pytest.mark.parametrize(("n", "margin", "discordance"), [(25, 0.2, 0.3), (40, 0.1, 0.1)])
def test_the_power_to_exclude_a_loss_is_the_sum_over_all_outcomes(n: int, margin: float, discordance: float) -> None:
    shares = [discordance / 2, discordance / 2, 1 - discordance]
    total = sum(
        multinomial.pmf([wins, losses, n - wins - losses], n, shares)
        for wins in range(n + 1)
        for losses in range(n + 1 - wins)
        if score_interval(Pair(wins, losses, n), confidence=0.9)[0] > -margin
    )
    assert power_to_exclude(n, margin, discordance=discordance, level=0.05) == pytest.approx(total, abs=1e-6)


def test_under_equal_accuracy_the_power_is_no_more_than_the_level() -> None:
    for n in (10, 100, 3000):
        assert power_to_show_better(n, 0.0, discordance=0.1, level=0.001) <= 0.001


def test_rows_asked_for_are_near_those_of_the_normal_design() -> None:
    # Connor (1987) by hand: d = .1, discordance .3, one-sided .05, power .8 gives 184; the exact test needs a few more.
    found = fewest_rows(lambda n: power_to_show_better(n, 0.1, discordance=0.3, level=0.05))
    assert found is not None
    assert 184 <= found <= 205


def test_the_fewest_rows_have_the_power_and_fewer_have_not() -> None:
    def chance(n: int) -> float:
        return power_to_show_better(n, 0.02, discordance=0.06, level=0.001)

    found = fewest_rows(chance)
    assert found is not None
    assert chance(found) >= 0.8 > chance(round(found * 0.98))
    assert smallest_difference(lambda d: power_to_show_better(found, d, discordance=0.06, level=0.001)) == pytest.approx(
        0.02, abs=2e-4
    )


@pytest.mark.parametrize(("n", "size"), [(20_000, 0.004), (100_000, 0.002)])
def test_thinning_many_counts_out_hardly_changes_a_power(n: int, size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    thinned = power_to_exclude(n, size, discordance=0.1, level=0.05), power_to_show_better(n, size, discordance=0.1, level=0.001)
    monkeypatch.setattr(power, "GRID", 3000)
    whole = power_to_exclude(n, size, discordance=0.1, level=0.05), power_to_show_better(n, size, discordance=0.1, level=0.001)
    assert thinned == pytest.approx(whole, abs=0.01)


def test_no_number_of_rows_shows_nothing() -> None:
    assert fewest_rows(lambda n: power_to_show_better(n, 0.0, discordance=0.1, level=0.05)) is None
    assert smallest_difference(lambda d: 0.0) == 1.0


@pytest.mark.parametrize(("wrong", "rows"), [((9, 3), (150, 40)), ((0, 4), (30, 60)), ((20, 20), (100, 100))])
def test_the_interval_of_two_groups_is_that_of_statsmodels(wrong: tuple[int, int], rows: tuple[int, int]) -> None:
    expected = confint_proportions_2indep(wrong[0], rows[0], wrong[1], rows[1], method="newcomb", alpha=0.1)
    assert newcombe_interval(wrong, rows, confidence=0.9) == pytest.approx(expected)


def test_two_groups_without_errors_leave_a_width_that_shrinks_with_the_rows() -> None:
    widths = [np.diff(newcombe_interval((0, 0), (n, n), confidence=0.9))[0] for n in (10, 100, 1000)]
    assert widths[0] > widths[1] > widths[2] > 0


@pytest.mark.parametrize(("rows", "rate", "gap"), [((800, 800), 0.1, 0.05), ((3000, 500), 0.1, 0.05), ((300, 300), 0.02, 0.03)])
def test_the_power_to_bound_a_gap_is_no_more_than_what_is_drawn(rows: tuple[int, int], rate: float, gap: float) -> None:
    rng = np.random.default_rng(0)
    first, second = (binom.rvs(n, rate, size=1500, random_state=rng) for n in rows)
    passed = 0
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        low, high = newcombe_interval((a, b), rows, confidence=0.9)
        passed += high < gap and -low < gap
    assert power_to_bound_gap(rows, gap, rate=rate, level=0.05) == pytest.approx(passed / 1500, abs=0.06)
