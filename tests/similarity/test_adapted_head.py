"""The source's head, adapted to few rows."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.head import Head, log_probabilities, logistic_head, scaled
from rootstock.similarity.adapted_head import AdaptedHead, fit_around
from scipy.special import log_softmax

METRIC = AdaptedHead(folds=4, repeats=2, inverse_penalty=1.0)


def teacher(features, labels, classes):
    """Log-probabilities under a head that was fitted on many rows of the same kind."""
    return log_probabilities(features, logistic_head(features, labels, classes=classes, inverse_penalty=100.0))


def pair_of(make_pair, signal, *, n=200, d=16, c=4, said=None, head_classes=None, rows=None):
    features, labels = signal(n, d, c)
    kept = slice(None) if rows is None else slice(0, rows)
    names = tuple(f"class {i}" for i in range(c))
    said = None if said is None else said(features, labels)[kept]
    heads = () if said is None else head_classes or names
    return make_pair(features[kept], labels[kept], classes=names, said=said, head_classes=heads)


def test_the_fit_around_a_head_is_the_map_estimate_around_its_weights(signal):
    """An independent way to the same number: the prior's weights moved, instead of offsets added."""
    features, labels = signal(60, 8, 3)
    random = np.random.default_rng(1)
    prior = Head(random.normal(size=(3, 8)), np.zeros(3))
    design = np.hstack([scaled(features), np.ones((60, 1))])
    offsets = scaled(features) @ prior.weight.T
    around = log_softmax(offsets + design @ fit_around(design, labels, offsets, inverse_penalty=0.5).T, axis=1)
    moved = log_probabilities(features, logistic_head(features, labels, classes=3, inverse_penalty=0.5, prior=prior))
    assert around == pytest.approx(moved, abs=2e-3)


def test_without_a_head_it_is_a_plain_logistic_regression_and_better_than_chance(make_pair, signal):
    assert METRIC.measure(pair_of(make_pair, signal)) > -np.log(4) + 0.1


def test_a_head_that_knows_the_classes_helps_where_rows_are_few(make_pair, signal):
    told = METRIC.measure(pair_of(make_pair, signal, said=lambda f, y: teacher(f, y, 4), rows=8))
    alone = METRIC.measure(pair_of(make_pair, signal, rows=8))
    assert told > alone + 0.3


def test_a_head_that_is_wrong_harms(make_pair, signal):
    wrong = METRIC.measure(pair_of(make_pair, signal, said=lambda f, y: teacher(f, (y + 1) % 4, 4), rows=8))
    assert wrong < METRIC.measure(pair_of(make_pair, signal, rows=8)) < 0


def test_a_head_over_other_classes_counts_as_none(make_pair, signal):
    other = pair_of(make_pair, signal, said=lambda f, y: teacher(f, y, 4), head_classes=("a", "b", "c", "d"))
    assert METRIC.measure(other) == METRIC.measure(pair_of(make_pair, signal))


def test_the_order_of_a_heads_classes_does_not_matter(make_pair, signal):
    names = tuple(f"class {i}" for i in range(4))
    one = pair_of(make_pair, signal, said=lambda f, y: teacher(f, y, 4), head_classes=names)
    other = pair_of(make_pair, signal, said=lambda f, y: teacher(f, y, 4)[:, ::-1], head_classes=names[::-1])
    assert METRIC.measure(one) == pytest.approx(METRIC.measure(other))


def test_a_class_with_one_row_has_no_score(make_pair):
    assert METRIC.measure(make_pair(np.eye(3), np.array([0, 0, 1]))) is None


def test_the_pair_is_not_changed(make_pair, signal):
    pair = pair_of(make_pair, signal, said=lambda f, y: teacher(f, y, 4))
    before = pair.target.features.copy(), pair.log_probabilities.copy()
    METRIC.measure(pair)
    assert np.array_equal(before[0], pair.target.features)
    assert np.array_equal(before[1], pair.log_probabilities)
