"""What a candidate is predicted to gain over the backbone alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from rootstock.similarity import predicted_gain
from rootstock.similarity.predicted_gain import predict_gain

SETTINGS = SimpleNamespace(folds=4, repeats=3, confidence=0.9)


@pytest.fixture
def rows(signal):
    informative, labels = signal(48, 8, 3)
    return informative, np.random.default_rng(9).normal(size=(48, 8)), labels


def test_it_is_zero_where_nothing_new_is_offered(rows):
    informative, _, labels = rows
    found = predict_gain(informative, informative.copy(), labels=labels, similarity=SETTINGS, seed=0)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
    assert (found.n, found.unit, found.higher_is_better) == (48, "accuracy", True)


def test_it_is_positive_where_the_candidate_knows_the_labels(rows):
    _, noise, labels = rows
    offered = np.hstack([noise, 5 * np.eye(3)[labels]])
    found = predict_gain(offered, noise, labels=labels, similarity=SETTINGS, seed=0)
    assert found.low > 0.2
    assert found.low <= found.value <= found.high


def test_it_is_negative_where_the_candidate_has_forgotten(rows):
    informative, noise, labels = rows
    assert predict_gain(noise, informative, labels=labels, similarity=SETTINGS, seed=0).high < 0


def test_both_are_scored_on_the_same_folds(rows, monkeypatch):
    informative, noise, labels = rows
    seen: list[np.ndarray] = []
    correct = predicted_gain._correct
    monkeypatch.setattr(predicted_gain, "_correct", lambda x, y, folds: seen.append(folds) or correct(x, y, folds))
    predict_gain(informative, noise, labels=labels, similarity=SETTINGS, seed=0)
    assert len(seen) == 2 * SETTINGS.repeats
    for offered, alone in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(offered, alone)
    assert not np.array_equal(seen[0], seen[2])


def test_every_class_is_spread_evenly_over_the_folds(rows):
    labels = rows[2]
    folds = predicted_gain._folds(labels, folds=4, seed=0)
    for label in range(3):
        np.testing.assert_array_equal(np.bincount(folds[labels == label]), [4, 4, 4, 4])


def test_the_same_seed_gives_the_same_interval(rows):
    informative, noise, labels = rows
    one, two = (predict_gain(informative, noise, labels=labels, similarity=SETTINGS, seed=1) for _ in range(2))
    assert one == two
    assert predict_gain(informative, noise, labels=labels, similarity=SETTINGS, seed=2) != one


def test_two_rows_a_class_are_enough(rows):
    informative, noise, labels = rows
    found = predict_gain(informative[:6], noise[:6], labels=labels[:6], similarity=SETTINGS, seed=0)
    assert -1 <= found.low <= found.high <= 1
    assert found.n == 6


def test_inputs_are_left_as_they_were(rows):
    before = [array.copy() for array in rows]
    predict_gain(rows[0], rows[1], labels=rows[2], similarity=SETTINGS, seed=0)
    for array, kept in zip(rows, before, strict=True):
        np.testing.assert_array_equal(array, kept)
