"""LEEP against its reference value and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.leep import LEEP, log_expected_empirical_prediction

METRIC = LEEP()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((200, 16, 4), -1.0960791), ((60, 128, 4), -1.1116512)],
    ids=["more rows than features", "more features than rows"],
)
def test_reference_value(signal, make_pair, head_of_seven, shape, expected):
    features, labels = signal(*shape)
    found = METRIC.measure(make_pair(features, labels, said=head_of_seven(features), head_classes=tuple("abcdefg")))
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_value_by_hand():
    said = np.array([[0.8, 0.2], [0.4, 0.6]])
    # P(y | z): of head class 0 weighs 0.8 on label 0 and 0.4 on label 1, of class 1 0.2 and 0.6.
    expected = (np.log(0.8 * 2 / 3 + 0.2 / 4) + np.log(0.4 / 3 + 0.6 * 3 / 4)) / 2
    assert log_expected_empirical_prediction(np.log(said), np.array([0, 1])) == pytest.approx(expected)


def test_a_head_that_says_nothing_scores_the_entropy_of_the_labels():
    labels = np.array([0, 0, 0, 1])
    said = np.log(np.full((4, 3), 1 / 3))
    assert log_expected_empirical_prediction(said, labels) == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


def test_a_sure_head_over_other_classes_that_splits_as_the_target_does_scores_zero():
    labels = np.arange(12) % 3
    with np.errstate(divide="ignore"):
        said = np.log(np.eye(7)[[5, 2, 4]][labels])
    assert log_expected_empirical_prediction(said, labels) == pytest.approx(0)


def test_the_order_and_names_of_head_classes_and_of_rows_do_not_matter(signal, head_of_seven):
    features, labels = signal(60, 16, 4)
    said = head_of_seven(features)
    rows, columns = np.random.default_rng(1).permutation(60), np.random.default_rng(2).permutation(7)
    assert log_expected_empirical_prediction(said[rows][:, columns], labels[rows]) == pytest.approx(
        log_expected_empirical_prediction(said, labels)
    )


def test_two_rows_a_class_are_enough(make_pair):
    said = np.log(np.random.default_rng(0).dirichlet(np.ones(77), size=4))
    assert np.isfinite(METRIC.measure(make_pair(np.zeros((4, 2)), np.array([0, 1, 0, 1]), said=said)))


def test_few_rows_flatter_a_sure_head_over_many_classes():
    labels = np.arange(64) % 2
    random = np.random.default_rng(0)
    many, few = (np.log(random.dirichlet(np.full(z, 0.01), size=64) + 1e-12) for z in (77, 2))
    assert log_expected_empirical_prediction(many, labels) > log_expected_empirical_prediction(few, labels) + 0.2


def test_it_is_not_defined_without_a_head(make_pair):
    assert METRIC.measure(make_pair(np.zeros((4, 2)), np.array([0, 1, 0, 1]))) is None


def test_inputs_are_left_as_they_were(make_pair):
    said, labels = np.log([[0.7, 0.3], [0.2, 0.8]]), np.array([0, 1])
    before = said.copy()
    METRIC.measure(make_pair(np.zeros((2, 2)), labels, said=said))
    np.testing.assert_array_equal(said, before)
    np.testing.assert_array_equal(labels, [0, 1])
