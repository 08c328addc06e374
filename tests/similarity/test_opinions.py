"""What candidates say of the target's rows, in numbers that compare."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.opinions import ASKED_ROWS, class_means, opinions_of

CLASSES = ("no", "yes")


def said(rows=60, classes=2, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, classes))


def opinions(values, head_classes=CLASSES, classes=CLASSES):
    return opinions_of(values, head_classes, classes)


def test_how_often_a_head_answers_a_class_does_not_matter():
    values = said(classes=3)
    classes = ("a", "b", "c")
    assert opinions(values + np.array([5.0, 0.0, -2.0]), classes, classes) == opinions(values, classes, classes)


def test_how_sure_a_head_is_does_not_matter():
    assert opinions(7 * said()) == opinions(said())


def test_a_class_that_is_not_known_is_no_opinion():
    found = np.array(opinions(said(classes=2), ("b", "a"), ("a", "b", "c")))
    assert (found[:, 2] == 0).all()
    turned = np.array(opinions(said(classes=2)[:, ::-1], ("a", "b"), ("a", "b", "c")))
    assert (found == turned).all()


@pytest.mark.parametrize("head_classes", [("a", "x"), ("x", "y")])
def test_fewer_than_two_known_classes_are_no_opinion_at_all(head_classes):
    assert opinions(said(), head_classes, ("a", "b")) is None


def test_a_head_to_which_all_rows_are_alike_has_no_opinion():
    assert opinions(np.tile([1.0, 2.0], (30, 1))) is None


def test_features_that_are_not_finite_give_no_opinion():
    assert opinions(np.full((30, 2), np.nan)) is None


def test_no_more_rows_are_asked_than_needed_and_they_are_spread_evenly():
    values = said(rows=3 * ASKED_ROWS)
    assert len(opinions(values)) == ASKED_ROWS
    assert len(opinions(values[:40])) == 40


def test_class_means_are_those_of_scikit_learn():
    from sklearn.neighbors import NearestCentroid

    random = np.random.default_rng(0)
    features, labels = random.normal(size=(12, 20)), np.arange(12) % 3
    assert class_means(features, labels, classes=3) == pytest.approx(NearestCentroid().fit(features, labels).centroids_)


def test_a_class_without_rows_lies_where_all_rows_lie():
    features = np.arange(8.0).reshape(4, 2)
    assert class_means(features, np.array([0, 0, 2, 2]), classes=3)[1] == pytest.approx(features.mean(axis=0))


def test_what_is_said_is_not_changed():
    values = said()
    before = values.copy()
    opinions(values)
    assert (values == before).all()
