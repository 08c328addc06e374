"""Cross-validated predictions of a probe."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.crossvalidated import INVERSE_PENALTY, crossvalidated_correct, stratified_folds


@pytest.fixture
def rows(signal):
    features, labels = signal(48, 8, 3)
    return features + 2 * np.random.default_rng(4).normal(size=features.shape), labels


@pytest.mark.parametrize("width", [8, 400])
def test_the_same_as_scikit_learn_on_the_same_folds(rows, width):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.preprocessing import normalize

    features, labels = np.hstack([rows[0], np.random.default_rng(0).normal(size=(48, width - 8))]), rows[1]
    folds = PredefinedSplit(stratified_folds(labels, folds=4, seed=7))
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=2000)
    expected = cross_val_predict(model, normalize(features), labels, cv=folds) == labels
    found = crossvalidated_correct(features, labels, folds=4, repeats=1, seed=7)
    assert (found == expected).mean() > 0.97
    assert 0.3 < expected.mean() < 1


def test_each_row_has_the_share_of_repeats_that_name_it(rows):
    one, two = (crossvalidated_correct(*rows, folds=4, repeats=1, seed=seed) for seed in (3, 4))
    np.testing.assert_allclose(crossvalidated_correct(*rows, folds=4, repeats=2, seed=3), (one + two) / 2)


def test_folds_depend_on_labels_and_seed_alone(rows):
    labels = rows[1]
    np.testing.assert_array_equal(stratified_folds(labels, folds=4, seed=1), stratified_folds(labels, folds=4, seed=1))
    assert (stratified_folds(labels, folds=4, seed=1) != stratified_folds(labels, folds=4, seed=2)).any()


def test_every_class_and_all_rows_are_spread_evenly_over_the_folds():
    labels = np.repeat([0, 1, 2], [5, 7, 6])
    folds = stratified_folds(labels, folds=4, seed=0)
    for label in range(3):
        counts = np.bincount(folds[labels == label], minlength=4)
        assert counts.max() - counts.min() <= 1
    assert sorted(np.bincount(folds)) == [4, 4, 5, 5]


@pytest.mark.parametrize("seed", range(10))
def test_no_fold_holds_all_rows_of_a_class_that_has_two(seed):
    folds = stratified_folds(np.array([0, 0, 1, 1]), folds=4, seed=seed)
    assert folds[0] != folds[1]
    assert folds[2] != folds[3]


def test_a_turn_of_the_features_changes_nothing(rows):
    features, labels = rows
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))
    found = crossvalidated_correct(features @ rotation, labels, folds=4, repeats=2, seed=0)
    np.testing.assert_allclose(found, crossvalidated_correct(features, labels, folds=4, repeats=2, seed=0), atol=0.5 / 2)


def test_a_class_of_one_row_is_never_named_and_does_no_harm(rows):
    features, labels = rows[0][:9], np.array([0, 1, 0, 1, 0, 1, 0, 1, 2])
    assert crossvalidated_correct(features, labels, folds=4, repeats=2, seed=0)[8] == 0


def test_inputs_are_left_as_they_were(rows):
    before = [array.copy() for array in rows]
    crossvalidated_correct(*rows, folds=4, repeats=1, seed=0)
    for array, kept in zip(rows, before, strict=True):
        np.testing.assert_array_equal(array, kept)
