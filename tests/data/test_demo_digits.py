"""Handwritten digits and digits drawn from fonts."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from rootstock.data import demo_digits
from rootstock.data.demo_digits import SOURCE, TARGET, build_digits
from rootstock.data.rows import label_counts
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def frames():
    return build_digits()


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_handwritten_digits_keep_their_64_grey_values(frames):
    original = load_digits()
    for row in (0, 500, 1796):
        image = pixels(frames[TARGET]["input"].iloc[row])
        assert image.shape == (8, 8)
        np.testing.assert_array_equal(np.round(image / 255 * 16), original.images[row])
        assert frames[TARGET]["label"].iloc[row] == str(original.target[row])


def test_every_printed_digit_is_drawn_often(frames):
    counts = label_counts(frames[SOURCE])
    assert list(counts) == list("0123456789")
    assert min(counts.values()) >= 100
    assert max(counts.values()) - min(counts.values()) <= 10


def test_printed_digits_are_light_on_dark_inside_the_frame(frames):
    for content in frames[SOURCE]["input"]:
        image = pixels(content)
        assert image.shape == (8, 8)
        assert image.max() > 150
        assert image[:, [0, -1]].mean() < image[:, 2:6].mean()


def test_images_and_ids_are_unique(frames):
    for frame in frames.values():
        assert frame["id"].is_unique
        assert not frame["id"].str.contains("-").any()


def test_the_same_seed_draws_the_same(frames):
    demo_digits._printed.cache_clear()
    assert build_digits()[SOURCE].equals(frames[SOURCE])
    assert not build_digits(seed=1)[SOURCE].equals(frames[SOURCE])


def test_symbol_fonts_are_left_out():
    assert not [path.stem for path in demo_digits._fonts() if "sy" in path.stem.lower() or "LastResort" in path.stem]
