"""The regularised H-score, as published and corrected for chance."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.h_score import HScore, regularised_h_score

PUBLISHED, CORRECTED = HScore(chance_corrected=False), HScore(chance_corrected=True)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((200, 16, 4), 1.8990347), ((60, 128, 4), 2.9249589)],
    ids=["more rows than features", "more features than rows"],
)
def test_reference_value(signal, make_pair, shape, expected):
    features, labels = signal(*shape)
    assert regularised_h_score(features, labels) == pytest.approx(expected, rel=1e-5)
    assert PUBLISHED.measure(make_pair(features, labels)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(200, 16, 4), (60, 128, 4)], ids=str)
def test_the_same_as_the_trace_written_out(signal, shape):
    from sklearn.covariance import ledoit_wolf

    features, labels = signal(*shape)
    shrunk, shrinkage = ledoit_wolf(features)
    means = np.array([features[labels == label].mean(axis=0) for label in labels])
    expected = np.trace(np.linalg.solve(shrunk, (1 - shrinkage) * np.cov(means, rowvar=False)))
    assert regularised_h_score(features, labels) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("shape", [(50, 8, 4), (40, 128, 4)], ids=str)
def test_corrected_it_is_zero_on_average_over_shuffled_labels(make_pair, shape):
    random = np.random.default_rng(0)
    features = random.normal(size=shape[:2]) * np.geomspace(1, 0.01, shape[1])
    labels = np.arange(shape[0]) % shape[2]
    found = [CORRECTED.measure(make_pair(features, random.permutation(labels))) for _ in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / np.sqrt(400))
    assert np.mean([PUBLISHED.measure(make_pair(features, random.permutation(labels))) for _ in range(20)]) > 0.1


def test_corrected_it_is_one_where_nothing_but_the_class_varies(make_pair):
    labels = np.arange(60) % 3
    features = np.eye(3)[labels] + 1e-4 * np.random.default_rng(0).normal(size=(60, 3))
    assert CORRECTED.measure(make_pair(features, labels)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("metric", [PUBLISHED, CORRECTED], ids=["published", "corrected"])
@pytest.mark.parametrize("shape", [(200, 16, 4), (60, 128, 4)], ids=str)
def test_rotation_scale_place_and_the_order_of_rows_do_not_matter(signal, make_pair, metric, shape):
    features, labels = signal(*shape)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(shape[1], shape[1])))
    order = np.random.default_rng(2).permutation(shape[0])
    expected = metric.measure(make_pair(features, labels))
    assert metric.measure(make_pair(3 * features @ rotation + 5, labels)) == pytest.approx(expected, rel=1e-6)
    assert metric.measure(make_pair(features[order], labels[order])) == pytest.approx(expected, rel=1e-6)


def test_published_it_lets_wide_noise_pass_narrow_signal_and_corrected_it_does_not(signal, make_pair):
    features, labels = signal(50, 16, 5)
    signal_pair = make_pair(features, labels)
    noise_pair = make_pair(np.random.default_rng(0).normal(size=(50, 1024)) / np.arange(1, 1025), labels)
    assert PUBLISHED.measure(noise_pair) > PUBLISHED.measure(signal_pair)
    assert CORRECTED.measure(noise_pair) < 0.5 * CORRECTED.measure(signal_pair)


@pytest.mark.parametrize("metric", [PUBLISHED, CORRECTED], ids=["published", "corrected"])
def test_two_rows_a_class_are_enough(signal, make_pair, metric):
    features, labels = signal(8, 384, 4)
    assert np.isfinite(metric.measure(make_pair(features, labels)))


@pytest.mark.parametrize("value", [0.0, 0.1], ids=str)
def test_features_that_do_not_vary_have_none(make_pair, value):
    features, labels = np.full((12, 5), value), np.arange(12) % 3
    assert CORRECTED.measure(make_pair(features, labels)) is None
    with pytest.raises(ValueError, match="expected features that vary"):
        regularised_h_score(features, labels)


def test_it_reads_what_the_candidate_offers_and_changes_nothing(signal, make_pair):
    features, labels = signal(60, 16, 4)
    before = features.copy()
    assert PUBLISHED.measure(make_pair(np.zeros((60, 2)), labels, offered=features)) == regularised_h_score(features, labels)
    np.testing.assert_array_equal(features, before)
