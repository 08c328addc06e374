"""Optimal transport between labelled data sets."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.head import scaled
from rootstock.similarity.optimal_transport import OptimalTransport, bures_wasserstein, transport_cost, transport_costs

METRIC = OptimalTransport(rows=500)


@pytest.fixture
def domains():
    random = np.random.default_rng(0)
    return random.normal(size=(200, 16)), random.normal(size=(200, 16)) * 1.2 + 0.3


def labels_of(rows):
    return np.arange(len(rows)) % 2


def squared_distances(a, b):
    return ((a[:, None] - b) ** 2).sum(axis=2)


def test_reference_value_of_the_exact_cost(domains):
    assert transport_cost(squared_distances(*domains)) == pytest.approx(18.402402, rel=1e-7)


def test_reference_value_of_the_distance_between_gaussians(domains):
    assert bures_wasserstein(*domains) == pytest.approx(1.900631, rel=1e-6)


def test_the_exact_cost_is_that_of_the_best_assignment():
    from scipy.optimize import linear_sum_assignment

    costs = np.random.default_rng(0).random(size=(30, 30))
    assert transport_cost(costs) == pytest.approx(costs[linear_sum_assignment(costs)].mean())


def test_the_cost_of_two_rows_is_that_of_their_features_and_of_their_classes():
    random = np.random.default_rng(0)
    a, b, mine, theirs = random.normal(size=(9, 20)), random.normal(size=(11, 20)), np.arange(9) % 4, np.arange(11) % 3 + 5
    theirs[0] = 9  # a class of one row
    costs = transport_costs(a, b, mine, theirs)
    for i in range(9):
        for j in range(11):
            classes = bures_wasserstein(a[mine == mine[i]], b[theirs == theirs[j]]) ** 2
            assert costs[i, j] == pytest.approx(((a[i] - b[j]) ** 2).sum() + classes, rel=1e-9)


def test_the_score_is_a_share_of_the_variance_of_features_of_unit_length(make_pair, domains):
    target, source = domains
    a, b = scaled(target), scaled(source)
    cost = transport_cost(transport_costs(a, b, labels_of(a), labels_of(b)))
    expected = -cost / (a.var(axis=0).sum() + b.var(axis=0).sum())
    pair = make_pair(target, labels_of(target), source=source, source_labels=labels_of(source))
    assert METRIC.measure(pair) == pytest.approx(expected, rel=1e-12)


def test_rotation_scale_names_of_classes_sides_and_the_order_of_rows_do_not_matter(make_pair, domains):
    (target, source), rows = domains, np.arange(200)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))
    expected = METRIC.measure(make_pair(target, rows % 3, source=source, source_labels=rows % 2))
    turned = make_pair(3 * target @ rotation, rows % 3, source=0.1 * source @ rotation, source_labels=1 - rows % 2)
    assert METRIC.measure(turned) == pytest.approx(expected, rel=1e-9)
    swapped = make_pair(source[::-1], (rows % 2)[::-1], source=target, source_labels=rows % 3)
    assert METRIC.measure(swapped) == pytest.approx(expected, rel=1e-9)


def test_a_data_set_is_no_distance_from_itself(make_pair, domains):
    target, _ = domains
    pair = make_pair(target, labels_of(target), source=target, source_labels=labels_of(target))
    assert METRIC.measure(pair) == pytest.approx(0, abs=1e-9)


def test_the_same_rows_with_classes_that_do_not_part_them_are_farther(signal, make_pair):
    features, labels = signal(80, 16, 2)
    other = np.random.default_rng(0).permutation(labels)
    alike, unlike = (METRIC.measure(make_pair(features, labels, source=features, source_labels=y)) for y in (labels, other))
    assert unlike < alike - 0.05


@pytest.mark.parametrize("rows", [2, 3, 10])
def test_fewer_rows_than_features_are_enough(make_pair, rows):
    random = np.random.default_rng(0)
    target, source = random.normal(size=(rows, 384)), random.normal(size=(30, 384))
    pairs = (make_pair(target, labels_of(target), source=source + shift, source_labels=np.arange(30) % 3) for shift in (0, 1))
    near, far = map(METRIC.measure, pairs)
    assert far < near < 0


def test_it_is_not_defined_without_a_source_or_where_no_row_differs(make_pair, domains):
    target, _ = domains
    assert METRIC.measure(make_pair(target, labels_of(target))) is None
    assert METRIC.measure(make_pair(np.ones((4, 3)), np.arange(4) % 2, source=np.ones((5, 3)))) is None


def test_features_of_another_width_are_named(make_pair, domains):
    target, source = domains
    with pytest.raises(DataError, match="optimal_transport: expected source features of 16 numbers as the target's, found 9"):
        METRIC.measure(make_pair(target, labels_of(target), source=source[:, :9]))


def test_inputs_are_left_as_they_were_and_the_answer_repeats(make_pair, domains):
    before = [side.copy() for side in domains]
    pair = make_pair(domains[0], labels_of(domains[0]), source=domains[1], source_labels=labels_of(domains[1]))
    assert METRIC.measure(pair) == METRIC.measure(pair)
    for side, old in zip(domains, before, strict=True):
        np.testing.assert_array_equal(side, old)
