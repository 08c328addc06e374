"""The negative conditional entropy against its reference value and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.nce import NCE, negative_conditional_entropy

METRIC = NCE()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((200, 16, 4), -0.9398405), ((60, 128, 4), -0.6952344)],
    ids=["more rows than features", "more features than rows"],
)
def test_reference_value(signal, make_pair, head_of_seven, shape, expected):
    features, labels = signal(*shape)
    found = METRIC.measure(make_pair(features, labels, said=head_of_seven(features), head_classes=tuple("abcdefg")))
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_value_by_hand():
    named, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    assert negative_conditional_entropy(named, labels) == pytest.approx((2 * np.log(2 / 3) + np.log(1 / 3)) / 4)


def test_it_is_the_mutual_information_less_the_entropy():
    from sklearn.metrics import mutual_info_score

    random = np.random.default_rng(0)
    labels, named = random.integers(3, size=90), random.integers(5, size=90)
    shares = np.bincount(labels) / 90
    expected = mutual_info_score(labels, named) + (shares * np.log(shares)).sum()
    assert negative_conditional_entropy(named, labels) == pytest.approx(expected)


def test_a_head_that_always_names_one_class_scores_the_entropy_of_the_labels():
    assert negative_conditional_entropy(np.full(8, 3), np.arange(8) % 4) == pytest.approx(-np.log(4))


def test_a_head_that_splits_as_the_target_does_scores_zero_whatever_its_names():
    labels = np.arange(12) % 3
    assert negative_conditional_entropy(np.array([5, 2, 4])[labels], labels) == 0


def test_the_order_of_rows_does_not_matter():
    random = np.random.default_rng(0)
    labels, named, order = random.integers(3, size=40), random.integers(9, size=40), random.permutation(40)
    assert negative_conditional_entropy(named[order], labels[order]) == pytest.approx(negative_conditional_entropy(named, labels))


def test_few_rows_flatter_a_head_over_many_classes():
    random = np.random.default_rng(0)
    labels = np.arange(64) % 2
    many, few = (negative_conditional_entropy(random.integers(z, size=64), labels) for z in (77, 2))
    assert few < -0.65
    assert many > -0.4


def test_two_rows_a_class_are_enough(make_pair):
    said = np.log(np.random.default_rng(0).dirichlet(np.ones(77), size=4))
    assert np.isfinite(METRIC.measure(make_pair(np.zeros((4, 2)), np.array([0, 1, 0, 1]), said=said)))


def test_it_is_not_defined_without_a_head(make_pair):
    assert METRIC.measure(make_pair(np.zeros((4, 2)), np.array([0, 1, 0, 1]))) is None


def test_inputs_are_left_as_they_were(make_pair):
    said, labels = np.log([[0.7, 0.3], [0.2, 0.8]]), np.array([0, 1])
    before = said.copy()
    METRIC.measure(make_pair(np.zeros((2, 2)), labels, said=said))
    np.testing.assert_array_equal(said, before)
    np.testing.assert_array_equal(labels, [0, 1])
