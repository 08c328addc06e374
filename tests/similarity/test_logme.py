"""LogME against an independent maximum of the evidence, in both regimes."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.logme import LogME, log_maximum_evidence
from rootstock.similarity.representation import representation_of
from scipy.optimize import minimize
from scipy.stats import multivariate_normal


@pytest.mark.parametrize(
    ("shape", "total", "expected"),
    [((200, 16, 4), 84.619454, -0.32085), ((60, 128, 4), -120.210548, 0.21136)],
    ids=["more rows than features", "more features than rows"],
)
def test_reference_value(signal, shape, total, expected):
    features, labels = signal(*shape)
    assert features.sum() == pytest.approx(total, abs=1e-5)
    assert log_maximum_evidence(features, labels) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("shape", [(30, 4, 3), (12, 20, 3)], ids=str)
def test_the_same_as_the_density_of_the_labels_maximised_over_both_precisions(signal, shape):
    features, labels = signal(*shape)
    n = len(labels)

    def best(y):
        def negative(logs):
            covariance = np.exp(logs[0]) * features @ features.T + np.exp(logs[1]) * np.eye(n)
            return -multivariate_normal(np.zeros(n), covariance).logpdf(y)

        starts = [(a, b) for a in (-6.0, -3.0, 0.0) for b in (-4.0, -1.0)]
        return max(-minimize(negative, start, method="Nelder-Mead", options={"xatol": 1e-6}).fun for start in starts) / n

    expected = np.mean([best((labels == c).astype(float)) for c in range(3)])
    assert log_maximum_evidence(features, labels) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("dimensions", [32, 128, 384, 768])
def test_noise_stays_where_it_is_whatever_the_dimension(dimensions):
    labels = np.arange(50) % 5
    found = [
        log_maximum_evidence(np.random.default_rng(seed).normal(size=(50, dimensions)), labels - labels.min()) for seed in range(3)
    ]
    # One-hot columns alone, no features: mean square 1/5.
    nothing = -0.5 * (np.log(2 * np.pi / 5) + 1)
    assert nothing == pytest.approx(-0.614, abs=1e-3)
    assert np.mean(found) == pytest.approx(-0.61, abs=0.05)


@pytest.mark.parametrize("shape", [(200, 16, 4), (60, 128, 4)], ids=str)
def test_rotation_and_the_order_of_rows_do_not_matter(signal, shape):
    features, labels = signal(*shape)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(shape[1], shape[1])))
    order = np.random.default_rng(2).permutation(shape[0])
    expected = log_maximum_evidence(features, labels)
    assert log_maximum_evidence(features @ rotation, labels) == pytest.approx(expected, abs=1e-6)
    assert log_maximum_evidence(features[order], labels[order]) == pytest.approx(expected, abs=1e-6)


def test_two_rows_a_class_are_enough(signal):
    features, labels = signal(8, 384, 4)
    assert np.isfinite(log_maximum_evidence(features, labels))


def test_features_that_are_all_zero_are_as_good_as_none():
    assert log_maximum_evidence(np.zeros((50, 8)), np.arange(50) % 5) == pytest.approx(-0.614, abs=1e-3)


def test_it_reads_what_the_candidate_offers_and_changes_nothing(signal, make_pair):
    features, labels = signal(60, 16, 4)
    noise = np.random.default_rng(1).normal(size=(60, 16))
    before = features.copy()
    metric = LogME(layers="last")
    offered = metric.measure(make_pair(noise, labels, offered=features))
    assert offered == pytest.approx(log_maximum_evidence(features, labels))
    assert offered > metric.measure(make_pair(noise, labels))
    np.testing.assert_array_equal(features, before)


def test_the_mean_over_layers_is_read_where_that_is_asked_with_the_same_head_beside_it(signal, make_pair, head_of_seven):
    features, labels = signal(60, 16, 4)
    noise = np.random.default_rng(1).normal(size=(60, 16))
    said = head_of_seven(features)
    pair = make_pair(noise, labels, said=said, offered=representation_of(noise, said), layer_mean=features)
    found = LogME(layers="mean").measure(pair)
    assert found == pytest.approx(log_maximum_evidence(representation_of(features, said), labels))
    assert found > LogME(layers="last").measure(pair)


def test_the_mean_over_layers_without_a_head(signal, make_pair):
    features, labels = signal(60, 16, 4)
    pair = make_pair(np.zeros((60, 16)), labels, layer_mean=7 * features)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert LogME(layers="mean").measure(pair) == pytest.approx(log_maximum_evidence(unit, labels))


def test_layers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="'last' or 'mean'"):
        LogME(layers="first")
