"""The Frechet distance."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.head import scaled
from rootstock.similarity.frechet_distance import FrechetDistance, frechet, shrunk_frechet

METRIC = FrechetDistance(rows=500)


@pytest.fixture
def domains():
    random = np.random.default_rng(0)
    return random.normal(size=(200, 16)), random.normal(size=(200, 16)) * 1.2 + 0.3


def labels_of(rows):
    return np.arange(len(rows)) % 2


def by_root(a, b, covariance):
    """The formula with the root of the product of the covariances, as it is published."""
    from scipy.linalg import sqrtm

    gap, first, second = a.mean(axis=0) - b.mean(axis=0), covariance(a), covariance(b)
    return gap @ gap + np.trace(first + second - 2 * sqrtm(first @ second).real)


def test_reference_value(domains):
    assert frechet(*domains) == pytest.approx(3.6191670, rel=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 100, 16), (60, 200, 128), (10, 20, 128)], ids=str)
def test_shrunk_it_is_the_published_formula_with_the_covariances_of_scikit_learn(n, m, d):
    from sklearn.covariance import ledoit_wolf

    random = np.random.default_rng(1)
    a, b = random.normal(size=(n, d)), random.normal(size=(m, d)) * np.linspace(0.5, 2, d) + 0.3
    assert shrunk_frechet(a, b) == pytest.approx(by_root(a, b, lambda rows: ledoit_wolf(rows)[0]), rel=1e-6)


def test_shrunk_it_tends_to_the_plain_one_with_many_rows():
    random = np.random.default_rng(1)
    a, b = random.normal(size=(20_000, 6)), random.normal(size=(20_000, 6)) * np.linspace(0.5, 2, 6) + 0.3
    assert shrunk_frechet(a, b) == pytest.approx(frechet(a, b), rel=0.01)


def test_the_score_is_a_share_of_the_variance_of_features_of_unit_length(make_pair, domains):
    target, source = domains
    a, b = scaled(target), scaled(source)
    expected = -shrunk_frechet(a, b) / (np.trace(np.cov(a.T, ddof=0)) + np.trace(np.cov(b.T, ddof=0)))
    assert METRIC.measure(make_pair(target, labels_of(target), source=source)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("d", [16, 500])
def test_rotation_scale_sides_and_the_order_of_rows_do_not_matter(make_pair, d):
    random = np.random.default_rng(0)
    target, source = random.normal(size=(40, d)), random.normal(size=(90, d)) * 1.2 + 0.3
    rotation, _ = np.linalg.qr(random.normal(size=(d, d)))
    expected = METRIC.measure(make_pair(target, labels_of(target), source=source))
    turned = make_pair(3 * target @ rotation, labels_of(target), source=0.1 * source @ rotation)
    assert METRIC.measure(turned) == pytest.approx(expected, rel=1e-6)
    assert METRIC.measure(make_pair(source[::-1], labels_of(source), source=target)) == pytest.approx(expected, rel=1e-6)


def test_a_domain_is_no_distance_from_itself(make_pair, domains):
    target, _ = domains
    assert METRIC.measure(make_pair(target, labels_of(target), source=target)) == pytest.approx(0, abs=1e-9)
    assert frechet(target, target) == pytest.approx(0, abs=1e-9)


def test_shrinkage_brings_few_rows_of_one_domain_together(make_pair):
    random = np.random.default_rng(0)
    a, b = random.normal(size=(10, 384)), random.normal(size=(30, 384))
    assert shrunk_frechet(a, b) < 0.25 * frechet(a, b)


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_fewer_rows_than_features_are_enough(make_pair, rows):
    random = np.random.default_rng(0)
    target, source = random.normal(size=(rows, 384)), random.normal(size=(30, 384))
    near, far = (METRIC.measure(make_pair(target, labels_of(target), source=source + shift)) for shift in (0, 1))
    assert far < near < 0


def test_it_is_not_defined_without_a_source_or_where_no_row_differs(make_pair, domains):
    target, _ = domains
    assert METRIC.measure(make_pair(target, labels_of(target))) is None
    assert METRIC.measure(make_pair(np.ones((4, 3)), np.arange(4) % 2, source=np.ones((5, 3)))) is None


def test_features_that_are_not_finite_are_named(make_pair, domains):
    target, source = domains[0], domains[1].copy()
    source[3, 2] = np.nan
    with pytest.raises(DataError, match="frechet_distance: source: expected finite features, found 1 of 200"):
        METRIC.measure(make_pair(target, labels_of(target), source=source))


def test_inputs_are_left_as_they_were(make_pair, domains):
    before = [side.copy() for side in domains]
    METRIC.measure(make_pair(domains[0], labels_of(domains[0]), source=domains[1]))
    for side, old in zip(domains, before, strict=True):
        np.testing.assert_array_equal(side, old)
