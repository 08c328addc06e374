"""The draw of rows that label-free metrics compare."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.similarity.samples import draw_samples, draw_texts


@pytest.fixture
def pair(make_pair):
    random = np.random.default_rng(0)
    target, source = random.normal(size=(30, 5)), random.normal(size=(200, 5))
    return lambda seed: make_pair(
        target, np.arange(30) % 3, source=source, source_labels=np.arange(200) % 2, inputs=[f"t{i}" for i in range(30)],
        source_inputs=[f"s{i}" for i in range(200)], seed=seed,
    )  # fmt: skip


def test_no_more_rows_are_drawn_than_asked_for_and_all_where_there_are_fewer(pair):
    samples, texts = draw_samples(pair(0), 50, metric="m"), draw_texts(pair(0), 50)
    assert (len(samples.target), len(samples.source)) == (30, 50)
    assert (len(texts.target), len(set(texts.source))) == (30, 50)


def test_features_are_of_unit_length_and_stay_with_their_labels(pair):
    samples, drawn = draw_samples(pair(0), 50, metric="m"), pair(0).source
    np.testing.assert_allclose(np.linalg.norm(samples.source, axis=1), 1)
    for row, label in zip(samples.source, samples.source_labels, strict=True):
        place = np.argmax(drawn.features @ row / np.linalg.norm(drawn.features, axis=1))
        assert drawn.labels[place] == label


def test_the_seed_decides_the_draw(pair):
    once, again, other = (draw_texts(pair(seed), 50).source for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_there_is_none_without_a_source_or_with_one_row(make_pair):
    features, labels = np.eye(4), np.array([0, 1, 0, 1])
    assert draw_samples(make_pair(features, labels), 9, metric="m") is None
    assert draw_texts(make_pair(features, labels), 9) is None
    assert draw_samples(make_pair(features, labels, source=features[:1]), 9, metric="m") is None


def test_inputs_that_are_no_texts_are_none(make_pair):
    features, labels = np.eye(4), np.array([0, 1, 0, 1])
    assert draw_texts(make_pair(features, labels, source=features, inputs=[b"1"] * 4, source_inputs=[b"2"] * 4), 9) is None


def test_features_of_another_width_are_named(make_pair):
    with pytest.raises(DataError, match="mmd: expected source features of 4 numbers as the target's, found 3"):
        draw_samples(make_pair(np.eye(4), np.array([0, 1, 0, 1]), source=np.eye(3)), 9, metric="mmd")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_counted(make_pair, bad):
    source = np.eye(4)
    source[1:3, 0] = bad
    with pytest.raises(DataError, match="mmd: source: expected finite features, found 2 of 4 rows without"):
        draw_samples(make_pair(np.eye(4), np.array([0, 1, 0, 1]), source=source), 9, metric="mmd")
