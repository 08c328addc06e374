"""Cross-validated accuracy of a linear probe as a metric."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rootstock.similarity.crossvalidated import crossvalidated_correct
from rootstock.similarity.linear_probe import LinearProbe

METRIC = LinearProbe(folds=4, repeats=3)


def test_it_is_the_mean_of_the_cross_validated_predictions_of_what_is_offered(signal, make_pair):
    features, labels = signal(60, 16, 4)
    features = features + 2 * np.random.default_rng(1).normal(size=features.shape)
    found = METRIC.measure(make_pair(np.zeros((60, 2)), labels, offered=features, seed=5))
    assert 0.3 < found < 1
    assert found == crossvalidated_correct(features, labels, folds=4, repeats=3, seed=5).mean()


def test_it_is_one_where_a_plane_divides_the_classes_and_chance_where_nothing_does(make_pair):
    labels = np.arange(48) % 2
    assert METRIC.measure(make_pair(np.eye(2)[labels] * [[1, 3]], labels)) == 1
    noise = np.random.default_rng(0).normal(size=(48, 32))
    assert METRIC.measure(make_pair(noise, labels)) == pytest.approx(0.5, abs=0.2)


def test_two_rows_a_class_are_enough_and_one_is_not(signal, make_pair):
    features, labels = signal(8, 384, 4)
    assert 0 <= METRIC.measure(make_pair(features, labels)) <= 1
    assert METRIC.measure(make_pair(features[:7], labels[:7])) is None


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        LinearProbe(folds=1, repeats=1)


def test_inputs_are_left_as_they_were(signal, make_pair):
    features, labels = signal(24, 48, 3)
    before = features.copy(), labels.copy()
    METRIC.measure(make_pair(features, labels))
    np.testing.assert_array_equal(features, before[0])
    np.testing.assert_array_equal(labels, before[1])


def test_rows_of_one_group_are_held_out_together(make_pair):
    """Noise of which every row has a copy in its group: a probe that sees the copy knows the label."""
    random = np.random.default_rng(0)
    features, labels = np.repeat(random.normal(size=(30, 64)), 2, axis=0), np.repeat(np.arange(30) % 2, 2)
    pair = make_pair(features, labels)
    grouped = replace(pair, target=replace(pair.target, groups=np.repeat(np.arange(30), 2)))
    metric = LinearProbe(folds=5, repeats=2)
    assert metric.measure(pair) > 0.8
    assert metric.measure(grouped) < 0.7


def test_it_is_not_defined_where_a_class_is_in_one_group(make_pair, signal):
    features, labels = signal(20, 8, 2)
    pair = make_pair(features, labels)
    one_group_a_class = replace(pair, target=replace(pair.target, groups=labels))
    assert LinearProbe(folds=2, repeats=1).measure(one_group_a_class) is None
