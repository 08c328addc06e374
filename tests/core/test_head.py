"""The linear head against scikit-learn, its prior, and classes matched by name."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.head import Head, log_probabilities, logistic_head, match_classes, scaled
from sklearn.linear_model import LogisticRegression


def rows(classes: int, *, n: int = 60, d: int = 5, noise: float = 1.5):
    random = np.random.default_rng(0)
    labels = np.arange(n) % classes
    return random.normal(size=(n, d)) * noise + random.normal(size=(classes, d))[labels], labels


def probabilities(features, head):
    return np.exp(log_probabilities(features, head))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("penalty", [0.1, 10.0])
def test_probabilities_are_those_of_scikit_learn(classes, penalty):
    features, labels = rows(classes)
    head = logistic_head(features, labels, classes=classes, inverse_penalty=penalty)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = LogisticRegression(C=penalty, max_iter=2000).fit(unit, labels).predict_proba(unit)
    np.testing.assert_allclose(probabilities(features, head), expected, atol=1e-9)


@pytest.mark.parametrize("present", [(0, 2), (1, 2, 4), (3,)], ids=str)
def test_a_class_without_rows_is_never_predicted(present):
    features, labels = rows(len(present))
    head = logistic_head(features, np.array(present)[labels], classes=6, inverse_penalty=10.0)
    found = probabilities(features, head)
    assert found.shape == (60, 6)
    absent = [index for index in range(6) if index not in present]
    assert found[:, absent].max() < 1e-100
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_inputs_are_left_as_they_were():
    features, labels = rows(3)
    before = features.copy(), labels.copy()
    prior = logistic_head(features, labels, classes=3, inverse_penalty=1.0)
    weight = prior.weight.copy()
    logistic_head(features, labels, classes=3, inverse_penalty=1.0, prior=prior)
    np.testing.assert_array_equal(features, before[0])
    np.testing.assert_array_equal(labels, before[1])
    np.testing.assert_array_equal(prior.weight, weight)


def test_the_order_of_rows_does_not_matter():
    features, labels = rows(3)
    order = np.random.default_rng(1).permutation(60)
    one = logistic_head(features, labels, classes=3, inverse_penalty=1.0)
    two = logistic_head(features[order], labels[order], classes=3, inverse_penalty=1.0)
    np.testing.assert_allclose(one.weight, two.weight, atol=1e-4)


def test_a_vanishing_inverse_penalty_gives_the_prior():
    features, labels = rows(3)
    prior = Head(np.random.default_rng(2).normal(size=(3, 5)), np.array([0.3, -0.2, 0.1]))
    head = logistic_head(features, labels, classes=3, inverse_penalty=1e-9, prior=prior)
    np.testing.assert_allclose(head.weight, prior.weight, atol=1e-6)
    np.testing.assert_allclose(head.bias, prior.bias, atol=1e-6)


def test_a_large_inverse_penalty_gives_the_maximum_likelihood_fit_whatever_the_prior():
    features, labels = rows(3)
    prior = Head(np.random.default_rng(2).normal(size=(3, 5)), np.zeros(3))
    head = logistic_head(features, labels, classes=3, inverse_penalty=1e9, prior=prior)
    unit = scaled(features)
    expected = LogisticRegression(C=np.inf, max_iter=10_000, tol=1e-10).fit(unit, labels).predict_proba(unit)
    np.testing.assert_allclose(probabilities(features, head), expected, atol=2e-3)


@pytest.mark.parametrize("penalty", [0.5, 20.0])
def test_a_prior_of_zero_is_scikit_learns_ridge_with_a_penalised_intercept(penalty):
    features, labels = rows(3)
    head = logistic_head(features, labels, classes=3, inverse_penalty=penalty, prior=Head(np.zeros((3, 5)), np.zeros(3)))
    design = np.hstack([scaled(features), np.ones((60, 1))])
    model = LogisticRegression(C=penalty, fit_intercept=False, max_iter=5000, tol=1e-10).fit(design, labels)
    np.testing.assert_allclose(probabilities(features, head), model.predict_proba(design), atol=1e-4)


def test_with_few_rows_a_good_prior_is_better_than_none():
    features, labels = rows(3, n=600)
    prior = logistic_head(features[:500], labels[:500], classes=3, inverse_penalty=10.0)
    few, known = features[500:506], labels[500:506]

    def loss(prior_or_none):
        head = logistic_head(few, known, classes=3, inverse_penalty=1.0, prior=prior_or_none)
        return -log_probabilities(features[506:], head)[np.arange(94), labels[506:]].mean()

    assert loss(prior) < loss(None) - 0.02


def test_classes_are_matched_by_name_whatever_their_order():
    head = Head(np.arange(6.0).reshape(3, 2), np.array([0.1, 0.2, 0.3]))
    matched = match_classes(head, ["a", "b", "c"], ["c", "a", "b"])
    assert matched is not None
    np.testing.assert_array_equal(matched.weight, head.weight[[2, 0, 1]])
    np.testing.assert_array_equal(matched.bias, head.bias[[2, 0, 1]])


def test_a_class_that_was_not_learned_gets_the_mean_of_those_shared():
    head = Head(np.array([[1.0, 0.0], [3.0, 2.0], [100.0, 100.0]]), np.array([0.0, 1.0, 100.0]))
    matched = match_classes(head, ["a", "b", "unwanted"], ["a", "new", "b"])
    assert matched is not None
    np.testing.assert_array_equal(matched.weight, [[1.0, 0.0], [2.0, 1.0], [3.0, 2.0]])
    np.testing.assert_array_equal(matched.bias, [0.0, 0.5, 1.0])


@pytest.mark.parametrize("wanted", [["x", "y"], ["a", "y"]])
def test_fewer_than_two_shared_classes_give_no_head(wanted):
    assert match_classes(Head(np.zeros((2, 2)), np.zeros(2)), ["a", "b"], wanted) is None


def test_scaling_gives_unit_length_and_leaves_zero_alone():
    found = scaled(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8], [0.0, 0.0]])


@pytest.mark.parametrize("has_prior", [False, True])
def test_a_row_of_weight_two_counts_as_two_rows(has_prior):
    features, labels = rows(3)
    prior = Head(np.random.default_rng(1).normal(size=(3, 5)), np.zeros(3)) if has_prior else None
    weights = np.where(np.arange(60) % 4 == 0, 2.0, 1.0)
    twice = np.repeat(np.arange(60), weights.astype(int))
    one = logistic_head(features, labels, classes=3, inverse_penalty=10.0, prior=prior, row_weights=weights)
    two = logistic_head(features[twice], labels[twice], classes=3, inverse_penalty=10.0, prior=prior)
    np.testing.assert_allclose(probabilities(features, one), probabilities(features, two), atol=1e-4)
    even = logistic_head(features, labels, classes=3, inverse_penalty=10.0, prior=prior)
    assert np.abs(probabilities(features, one) - probabilities(features, even)).max() > 1e-3
