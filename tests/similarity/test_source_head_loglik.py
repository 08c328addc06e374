"""The target's labels under a head that was fitted on the source."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.source_head_loglik import SourceHeadLogLikelihood

METRIC = SourceHeadLogLikelihood()
NOTHING = np.zeros((3, 2))


def measure(make_pair, said, labels, classes, head_classes):
    labels = np.array(labels)
    return METRIC.measure(
        make_pair(np.zeros((len(labels), 2)), labels, said=np.log(said), classes=classes, head_classes=head_classes)
    )


def test_the_value_by_hand(make_pair):
    said = [[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]]
    found = measure(make_pair, said, [0, 1, 1], ("a", "b"), ("a", "b"))
    assert found == pytest.approx((np.log(0.7) + np.log(0.8) + np.log(0.4)) / 3)


def test_classes_are_matched_by_name(make_pair):
    found = measure(make_pair, [[0.3, 0.7], [0.8, 0.2], [0.4, 0.6]], [0, 1, 1], ("a", "b"), ("b", "a"))
    assert found == pytest.approx((np.log(0.7) + np.log(0.8) + np.log(0.4)) / 3)


@pytest.mark.parametrize("head_classes", [("x", "y"), ("a", "y")], ids=["none shared", "one shared"])
def test_it_is_chance_where_labels_are_not_shared(make_pair, head_classes):
    found = measure(make_pair, [[0.9, 0.1]] * 3, [0, 1, 2], ("a", "b", "c"), head_classes)
    assert found == pytest.approx(-np.log(3))


def test_rows_of_a_class_that_the_source_lacks_count_as_chance(make_pair):
    found = measure(make_pair, [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]], [0, 1, 2], ("a", "b", "c"), ("a", "c"))
    # The two shared classes share what is left to them, 2/3; b is one class of three.
    assert found == pytest.approx((np.log(0.9 * 2 / 3) + np.log(1 / 3) + np.log(0.8 * 2 / 3)) / 3)


def test_a_source_with_more_classes_is_not_punished(make_pair):
    few = measure(make_pair, [[0.7, 0.3], [0.2, 0.8]], [0, 1], ("a", "b"), ("a", "b"))
    many = measure(make_pair, [[0.07, 0.03, 0.8, 0.1], [0.02, 0.08, 0.1, 0.8]], [0, 1], ("a", "b"), ("a", "b", "x", "y"))
    assert many == pytest.approx(few)


def test_a_better_head_has_a_higher_value(make_pair):
    good = measure(make_pair, [[0.9, 0.1], [0.1, 0.9]], [0, 1], ("a", "b"), ("a", "b"))
    assert good > measure(make_pair, [[0.6, 0.4], [0.4, 0.6]], [0, 1], ("a", "b"), ("a", "b")) > np.log(0.5)


def test_the_order_of_rows_does_not_matter(make_pair):
    said = np.random.default_rng(0).dirichlet([1, 1, 1], size=30)
    labels, order = np.arange(30) % 3, np.random.default_rng(1).permutation(30)
    names = ("a", "b", "c")
    assert measure(make_pair, said, labels, names, names) == pytest.approx(
        measure(make_pair, said[order], labels[order], names, names)
    )


def test_it_is_not_defined_without_a_head(make_pair):
    assert METRIC.measure(make_pair(np.zeros((2, 2)), np.array([0, 1]))) is None


def test_inputs_are_left_as_they_were(make_pair):
    said = np.log([[0.7, 0.3], [0.2, 0.8]])
    before = said.copy()
    METRIC.measure(make_pair(np.zeros((2, 2)), np.array([0, 1]), said=said, classes=("a", "b"), head_classes=("a", "b")))
    np.testing.assert_array_equal(said, before)
