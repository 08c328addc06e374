"""The cosine between centroids."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.centroid_cosine import CentroidCosine

METRIC = CentroidCosine()


@pytest.fixture
def domains(signal):
    target, labels = signal(40, 8, 4)
    return target + 0.5, labels, np.random.default_rng(5).normal(size=(70, 8)) + 1.0


def test_the_value_by_hand(make_pair):
    target, source = np.array([[1.0, 0.0], [3.0, 0.0]]), np.array([[0.0, 2.0], [2.0, 0.0]])
    assert METRIC.measure(make_pair(target, np.array([0, 1]), source=source)) == pytest.approx(np.sqrt(0.5))


def test_the_value_by_numpy(make_pair, domains):
    target, labels, source = domains
    a, b = target.mean(axis=0), source.mean(axis=0)
    expected = np.dot(a, b) / np.sqrt(np.sum(a**2) * np.sum(b**2))
    assert METRIC.measure(make_pair(target, labels, source=source)) == pytest.approx(expected, rel=1e-12)


def test_a_domain_is_nearest_to_itself(make_pair, domains):
    target, labels, _ = domains
    assert METRIC.measure(make_pair(target, labels, source=target)) == pytest.approx(1.0)
    assert METRIC.measure(make_pair(target, labels, source=-target)) == pytest.approx(-1.0)


def test_rotation_scale_and_the_order_of_rows_do_not_matter(make_pair, domains):
    target, labels, source = domains
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))
    order = np.random.default_rng(2).permutation(40)
    expected = METRIC.measure(make_pair(target, labels, source=source))
    assert METRIC.measure(make_pair(target @ rotation, labels, source=source @ rotation)) == pytest.approx(expected)
    assert METRIC.measure(make_pair(target[order], labels[order], source=3 * source)) == pytest.approx(expected)


def test_two_rows_a_class_are_enough(make_pair, domains):
    target, labels, source = domains
    assert -1 <= METRIC.measure(make_pair(target[:8], labels[:8], source=source[:2])) <= 1


def test_it_is_not_defined_without_a_source_or_at_the_origin(make_pair, domains):
    target, labels, source = domains
    assert METRIC.measure(make_pair(target, labels)) is None
    assert METRIC.measure(make_pair(target, labels, source=np.zeros_like(source))) is None


def test_inputs_are_left_as_they_were(make_pair, domains):
    target, labels, source = domains
    before = target.copy(), source.copy()
    METRIC.measure(make_pair(target, labels, source=source))
    np.testing.assert_array_equal(target, before[0])
    np.testing.assert_array_equal(source, before[1])
