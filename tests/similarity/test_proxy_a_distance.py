"""The proxy A-distance."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.head import scaled
from rootstock.similarity.proxy_a_distance import ProxyADistance, a_distance, domain_error

METRIC = ProxyADistance(rows=500, folds=5, inverse_penalty=1.0)


@pytest.fixture
def domains():
    random = np.random.default_rng(0)
    return random.normal(size=(200, 16)), random.normal(size=(200, 16)) * 1.2 + 0.3


def labels_of(rows):
    return np.arange(len(rows)) % 2


def test_reference_value(domains):
    found = [a_distance(domain_error(*domains, folds=5, inverse_penalty=1.0, seed=seed)) for seed in range(4)]
    assert np.mean(found) == pytest.approx(0.93, abs=0.05)


def test_the_same_as_scikit_learn_on_features_of_unit_length(make_pair, domains):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    target, source = domains
    rows, side = np.vstack([scaled(target), scaled(source)]), np.repeat([0, 1], 200)
    folds = StratifiedKFold(5, shuffle=True, random_state=7)
    accuracy = cross_val_score(LogisticRegression(max_iter=1000), rows, side, cv=folds).mean()
    found = METRIC.measure(make_pair(target, labels_of(target), source=source, seed=7))
    assert found == pytest.approx(-2 * (2 * accuracy - 1), abs=1e-9)


def test_it_is_two_without_error_and_zero_at_chance(make_pair):
    target = np.random.default_rng(0).normal(size=(20, 4)) + 20
    assert METRIC.measure(make_pair(target, labels_of(target), source=-target)) == -2
    assert (a_distance(0.0), a_distance(0.5)) == (2, 0)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (16, 160)])
def test_one_and_the_same_domain_is_near_zero_however_uneven_its_parts(make_pair, n, m):
    random = np.random.default_rng(0)
    found = []
    for seed in range(30):
        target, source = random.normal(size=(n, 12)), random.normal(size=(m, 12))
        found.append(METRIC.measure(make_pair(target, labels_of(target), source=source, seed=seed)))
    assert np.mean(found) == pytest.approx(0, abs=0.3)


def test_rotation_and_scale_do_not_matter(make_pair, domains):
    target, source = domains
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))
    expected = METRIC.measure(make_pair(target, labels_of(target), source=source))
    turned = make_pair(3 * target @ rotation, labels_of(target), source=0.1 * source @ rotation)
    assert METRIC.measure(turned) == pytest.approx(expected, abs=0.03)


def test_the_farther_domain_scores_less(make_pair, domains):
    target, source = domains
    near, far = (METRIC.measure(make_pair(target, labels_of(target), source=source + shift)) for shift in (0, 0.5))
    assert far < near


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_fewer_rows_than_features_are_enough(make_pair, rows):
    random = np.random.default_rng(0)
    target, source = random.normal(size=(rows, 384)), random.normal(size=(30, 384))
    assert -2 <= METRIC.measure(make_pair(target, labels_of(target), source=source)) <= 2
    assert METRIC.measure(make_pair(target + 5, labels_of(target), source=source)) == -2


def test_it_is_not_defined_without_a_source_or_with_one_row(make_pair, domains):
    target, source = domains
    assert METRIC.measure(make_pair(target, labels_of(target))) is None
    assert METRIC.measure(make_pair(target, labels_of(target), source=source[:1])) is None


def test_features_that_are_not_finite_are_named(make_pair, domains):
    target, source = domains[0], domains[1].copy()
    source[3, 2] = np.inf
    with pytest.raises(DataError, match="proxy_a_distance: source: expected finite features, found 1 of 200"):
        METRIC.measure(make_pair(target, labels_of(target), source=source))


def test_inputs_are_left_as_they_were_and_the_answer_repeats(make_pair, domains):
    before = [side.copy() for side in domains]
    pair = make_pair(domains[0], labels_of(domains[0]), source=domains[1])
    assert METRIC.measure(pair) == METRIC.measure(pair)
    for side, old in zip(domains, before, strict=True):
        np.testing.assert_array_equal(side, old)
