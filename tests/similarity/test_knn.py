"""Leave-one-out accuracy of the nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.knn import NearestNeighbours, leave_one_out_accuracy

METRIC = NearestNeighbours(neighbours=3)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((200, 16, 4), 0.89), ((60, 128, 4), 1.0)],
    ids=["more rows than features", "more features than rows"],
)
def test_reference_value(signal, make_pair, shape, expected):
    assert METRIC.measure(make_pair(*signal(*shape))) == pytest.approx(expected)


def test_the_same_as_scikit_learn_leaving_one_row_out():
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    random = np.random.default_rng(0)
    features, labels = random.normal(size=(40, 5)), random.integers(3, size=40)
    for neighbours in (1, 2, 5):
        expected = cross_val_score(KNeighborsClassifier(neighbours), features, labels, cv=LeaveOneOut()).mean()
        assert leave_one_out_accuracy(features, labels, neighbours=neighbours) == pytest.approx(expected)


def test_a_row_does_not_vote_on_itself_though_another_is_equal_to_it():
    features, labels = np.array([[0.0], [0.0], [9.0], [9.0]]), np.array([0, 1, 0, 1])
    assert leave_one_out_accuracy(features, labels, neighbours=1) == 0


def test_rotation_scale_and_the_order_of_rows_do_not_matter(signal):
    features, labels = signal(60, 16, 4)
    features = features + np.random.default_rng(3).normal(size=features.shape)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 16)))
    order = np.random.default_rng(2).permutation(60)
    expected = leave_one_out_accuracy(features, labels, neighbours=3)
    assert 0.3 < expected < 1
    assert leave_one_out_accuracy(3 * features @ rotation + 1, labels, neighbours=3) == expected
    assert leave_one_out_accuracy(features[order], labels[order], neighbours=3) == expected


def test_it_is_not_defined_with_fewer_rows_than_it_takes(signal, make_pair):
    features, labels = signal(4, 384, 2)
    assert METRIC.measure(make_pair(features, labels)) is not None
    assert METRIC.measure(make_pair(features[:3], labels[:3])) is None


def test_no_neighbours_are_refused():
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        NearestNeighbours(neighbours=0)


def test_it_reads_what_the_candidate_offers_and_changes_nothing(signal, make_pair):
    features, labels = signal(60, 16, 4)
    before = features.copy()
    offered = METRIC.measure(make_pair(np.zeros((60, 2)), labels, offered=features))
    assert offered == leave_one_out_accuracy(features, labels, neighbours=3)
    np.testing.assert_array_equal(features, before)


def test_rows_of_the_same_group_do_not_vote(signal):
    """Each row is there three times, in one group: its copies would name any label it has."""
    features = np.repeat(np.random.default_rng(0).normal(size=(40, 8)), 3, axis=0)
    labels = np.repeat(np.random.default_rng(1).integers(0, 2, 40), 3)
    groups = np.repeat(np.arange(40), 3)
    assert leave_one_out_accuracy(features, labels, neighbours=1) == 1.0
    assert leave_one_out_accuracy(features, labels, neighbours=1, groups=groups) < 0.8
    apart = leave_one_out_accuracy(features[::3], labels[::3], neighbours=1)
    assert leave_one_out_accuracy(features, labels, neighbours=1, groups=groups) == pytest.approx(apart)
