from __future__ import annotations

import numpy as np
import pytest
from rootstock.monitoring.two_sample import _moments_of_squares, _rank_sum, compare_counts, compare_values
from scipy import stats


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_rank_sum_without_ties_is_mann_whitney(rng: np.random.Generator) -> None:
    old, new = rng.normal(size=90), rng.normal(size=40) + 0.4
    expected = stats.mannwhitneyu(new, old, use_continuity=False, method="asymptotic")
    p_value, delta = _rank_sum(old, new)
    assert p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert delta == pytest.approx(2 * expected.statistic / (90 * 40) - 1)


def test_distance_is_the_kolmogorov_smirnov_distance(rng: np.random.Generator) -> None:
    old, new = rng.normal(size=50), rng.normal(size=30)
    grid = np.concatenate([old, new])
    gap = np.abs((old[:, None] <= grid).mean(axis=0) - (new[:, None] <= grid).mean(axis=0)).max()
    assert compare_values(old, new).distance == pytest.approx(gap)


def test_swapping_the_samples_keeps_p_and_turns_delta(rng: np.random.Generator) -> None:
    old, new = rng.poisson(1.0, size=60).astype(np.float64), rng.poisson(2.0, size=35).astype(np.float64)
    one, other = compare_values(old, new), compare_values(new, old)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.delta == pytest.approx(-other.delta)


def test_change_of_spread_alone_is_found(rng: np.random.Generator) -> None:
    assert compare_values(rng.normal(size=400), rng.normal(size=120) * 0.3).p_value < 1e-4


def test_constant_samples_that_agree_are_no_difference() -> None:
    found = compare_values(np.ones(40), np.ones(12))
    assert (found.p_value, found.distance, found.delta) == (1.0, 0.0, 0.0)


def test_tied_values_raise_no_more_false_alarms_than_the_level(rng: np.random.Generator) -> None:
    draws = [rng.poisson(0.1, size=110).astype(np.float64) for _ in range(400)]
    p_values = [compare_values(values[:80], values[80:]).p_value for values in draws]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("totals", [(22, 22, 22, 454), (7,) * 74, (200, 170, 150)])
def test_moments_are_those_of_the_multivariate_hypergeometric_law(totals: tuple[int, ...]) -> None:
    counts = np.array(totals)
    draws = np.random.default_rng(0).multivariate_hypergeometric(counts, 120, size=40_000, method="marginals")
    squares = (draws**2 / counts).sum(axis=1)
    mean, variance, skew = _moments_of_squares(counts.astype(float), 120.0)
    assert mean == pytest.approx(squares.mean(), rel=1e-3)
    assert variance == pytest.approx(squares.var(), rel=0.05)
    assert skew == pytest.approx(stats.skew(squares), abs=0.1)


def test_counts_give_the_chi_square_and_nearly_its_usual_p_value_where_that_holds() -> None:
    old, new = np.array([200, 120, 80]), np.array([40, 50, 30])
    expected = stats.chi2_contingency(np.stack([old, new]), correction=False)
    chi_square, p_value, distance = compare_counts(old, new)
    assert chi_square == pytest.approx(expected.statistic)
    assert p_value == pytest.approx(expected.pvalue, rel=0.05)
    assert distance == pytest.approx(1 / 6)


def test_two_classes_are_compared_exactly() -> None:
    assert compare_counts(np.array([8, 2]), np.array([1, 5]))[1] == pytest.approx(stats.fisher_exact([[8, 2], [1, 5]]).pvalue)


@pytest.mark.parametrize("classes", [3, 40])
def test_false_alarms_on_counts_stay_at_the_level_with_few_and_many_classes(rng: np.random.Generator, classes: int) -> None:
    shares = rng.dirichlet(np.ones(classes))
    p_values = [compare_counts(rng.multinomial(400, shares), rng.multinomial(120, shares))[1] for _ in range(500)]
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 500)


def test_a_class_that_neither_sample_holds_changes_nothing() -> None:
    with_it = compare_counts(np.array([9, 0, 8, 3]), np.array([1, 0, 5, 7]))
    assert with_it == compare_counts(np.array([9, 8, 3]), np.array([1, 5, 7]))


def test_one_class_only_is_no_difference() -> None:
    assert compare_counts(np.array([0, 30]), np.array([0, 12])) == (0.0, 1.0, 0.0)
