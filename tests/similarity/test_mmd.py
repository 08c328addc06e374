"""The maximum mean discrepancy, and its permutation test."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.head import scaled
from rootstock.similarity.mmd import MaximumMeanDiscrepancy, gaussian_kernel, permutation_p_value, squared_mmd

METRIC = MaximumMeanDiscrepancy(rows=500, permutations=99)


@pytest.fixture
def domains():
    random = np.random.default_rng(0)
    return random.normal(size=(40, 6)), random.normal(size=(60, 6)) * 1.2 + 0.5


def naive(a, b):
    """Equation 3 of Gretton et al. 2012, written out."""
    both = np.vstack([a, b])
    gaps = [np.linalg.norm(both[i] - both[j]) for i in range(len(both)) for j in range(i)]
    width = 2 * np.median(gaps) ** 2

    def k(x, y):
        return np.exp(-((x - y) ** 2).sum() / width)

    n, m = len(a), len(b)
    within = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within += sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within - 2 * sum(k(x, y) for x in a for y in b) / (n * m)


def test_the_value_of_the_published_sums(make_pair, domains):
    target, source = domains
    assert squared_mmd(gaussian_kernel(target, source), 40) == pytest.approx(naive(target, source), rel=1e-9)
    expected = -naive(scaled(target), scaled(source))
    assert METRIC.measure(make_pair(target, np.arange(40) % 2, source=source)) == pytest.approx(expected, rel=1e-9)


def test_rotation_scale_sides_and_the_order_of_rows_do_not_matter(make_pair, domains):
    target, source = domains
    labels = np.arange(40) % 2
    expected = METRIC.measure(make_pair(target, labels, source=source))
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    assert METRIC.measure(make_pair(3 * target @ rotation, labels, source=0.1 * source @ rotation)) == pytest.approx(expected)
    assert METRIC.measure(make_pair(source[::-1], np.arange(60) % 2, source=target)) == pytest.approx(expected)


def test_one_and_the_same_domain_is_zero_on_average(make_pair):
    random = np.random.default_rng(0)
    found = [
        METRIC.measure(make_pair(random.normal(size=(8, 50)), np.arange(8) % 2, source=random.normal(size=(20, 50))))
        for _ in range(300)
    ]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / np.sqrt(300))
    assert max(found) > 0


def test_the_farther_domain_scores_less(make_pair, domains):
    target, source = domains
    labels = np.arange(40) % 2
    assert METRIC.measure(make_pair(target, labels, source=source + 1)) < METRIC.measure(make_pair(target, labels, source=source))


def test_the_p_value_counts_splits_that_are_as_far_apart():
    from itertools import combinations

    random = np.random.default_rng(3)
    kernel = gaussian_kernel(random.normal(size=(4, 2)), random.normal(size=(4, 2)) + 1)
    splits = [[*chosen, *(set(range(8)) - {*chosen})] for chosen in combinations(range(8), 4)]
    exact = np.mean([squared_mmd(kernel[np.ix_(order, order)], 4) >= squared_mmd(kernel, 4) - 1e-12 for order in splits])
    assert permutation_p_value(kernel, 4, permutations=20_000, seed=0) == pytest.approx(exact, abs=0.015)


def test_the_p_value_is_uniform_where_both_domains_are_one(make_pair):
    random = np.random.default_rng(0)
    found = [
        METRIC.p_value(make_pair(random.normal(size=(10, 5)), np.arange(10) % 2, source=random.normal(size=(15, 5)), seed=i))
        for i in range(400)
    ]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.045)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_the_p_value_is_least_where_domains_differ_beyond_doubt(make_pair, domains):
    target, source = domains
    pair = make_pair(target, np.arange(40) % 2, source=source + 2)
    assert METRIC.p_value(pair) == METRIC.p_value(pair) == pytest.approx(0.01)


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_fewer_rows_than_features_are_enough(make_pair, rows):
    random = np.random.default_rng(0)
    pair = make_pair(random.normal(size=(rows, 384)), np.arange(rows) % 2, source=random.normal(size=(3, 384)) + 1)
    assert METRIC.measure(pair) < 0
    assert 0 < METRIC.p_value(pair) <= 1


def test_rows_that_are_all_alike_are_no_distance_apart(make_pair):
    assert METRIC.measure(make_pair(np.ones((4, 3)), np.arange(4) % 2, source=np.ones((5, 3)))) == 0


def test_it_is_not_defined_without_a_source(make_pair, domains):
    assert METRIC.measure(make_pair(domains[0], np.arange(40) % 2)) is None
    assert METRIC.p_value(make_pair(domains[0], np.arange(40) % 2)) is None


def test_features_that_are_not_finite_are_named(make_pair, domains):
    source = domains[1].copy()
    source[3, 2] = np.nan
    with pytest.raises(DataError, match="mmd: source: expected finite features, found 1 of 60"):
        METRIC.measure(make_pair(domains[0], np.arange(40) % 2, source=source))


def test_inputs_are_left_as_they_were(make_pair, domains):
    before = [side.copy() for side in domains]
    METRIC.measure(make_pair(domains[0], np.arange(40) % 2, source=domains[1]))
    METRIC.p_value(make_pair(domains[0], np.arange(40) % 2, source=domains[1]))
    for side, old in zip(domains, before, strict=True):
        np.testing.assert_array_equal(side, old)
