"""What an image is to a backbone, to the classical baseline and to drift."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image as Pictures
from pydantic import ValidationError
from rootstock.data.image import Image
from rootstock.errors import DataError

MODALITY = Image(side=8)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Pictures.fromarray(pixels.astype(np.uint8)).save(stream, format="PNG")
    return stream.getvalue()


def plain(value: int, side: int = 8) -> bytes:
    return png(np.full((side, side), value))


def test_pixels_are_normalised_as_the_backbone_was_trained(tmp_path):
    settings = {"image_mean": [0.5, 0.0, 1.0], "image_std": [0.5, 1.0, 2.0]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = MODALITY.tensors([plain(255), plain(0)], MODALITY.load_processor(tmp_path))["pixel_values"]
    assert found.shape == (2, 3, 8, 8)
    assert found[:, :, 0, 0].tolist() == [[1.0, 1.0, 0.0], [-1.0, 0.0, -0.5]]


def test_without_a_preprocessor_file_values_lie_between_minus_one_and_one(tmp_path):
    found = MODALITY.tensors([plain(255), plain(0)], MODALITY.load_processor(tmp_path))["pixel_values"]
    assert (found.min().item(), found.max().item()) == (-1.0, 1.0)


def test_channels_rows_and_columns_stay_in_their_order():
    pixels = np.zeros((8, 8, 3))
    pixels[1, 6] = (255, 0, 0)
    found = MODALITY.tensors([png(pixels)], {})["pixel_values"]
    assert found[0, :, 1, 6].tolist() == [1.0, -1.0, -1.0]
    assert found[0, 0, 6, 1].item() == -1.0


def test_large_images_are_read_side_by_side_in_their_order(monkeypatch):
    import torch

    inputs = [plain(10 * value, 40) for value in range(12)]
    one_by_one = MODALITY.tensors(inputs, {})["pixel_values"]
    monkeypatch.setattr("rootstock.pictures.LARGE_BYTES", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert MODALITY.tensors(inputs, {})["pixel_values"].equal(one_by_one)
    assert [row[0] for row in MODALITY.surface_features([], inputs)] == pytest.approx([10 * value / 255 for value in range(12)])
    with pytest.raises(DataError, match="image 7: expected the bytes of an image"):
        MODALITY.tensors([*inputs[:7], b"no image" * 9, *inputs[8:]], {})


def test_an_image_of_another_size_is_scaled():
    assert MODALITY.tensors([plain(9, 30)], {})["pixel_values"].shape == (1, 3, 8, 8)


def test_a_grey_image_is_seen_as_its_like_in_colours_to_the_bit():
    grey = np.random.default_rng(0).integers(0, 256, (13, 11))
    alone, alike = (MODALITY.tensors([png(pixels)], {})["pixel_values"] for pixels in (grey, np.stack([grey] * 3, axis=2)))
    assert alone.equal(alike)


def test_surface_features_are_grey_pixels():
    ramp = np.arange(64).reshape(8, 8) * 4
    found = MODALITY.surface_features([], [png(ramp)])
    np.testing.assert_allclose(found, ramp.reshape(1, 64) / 255, atol=1e-6)


def test_surface_features_of_large_images_are_those_of_32_pixels_a_side():
    ramp = np.arange(64).reshape(8, 8) * 4
    found = Image(side=224).surface_features([], [png(ramp)])
    np.testing.assert_array_equal(found, Image(side=32).surface_features([], [png(ramp)]))


def test_descriptors_by_hand():
    corner = np.zeros((8, 8))
    corner[7, 0] = 255
    found = MODALITY.descriptors([png(corner), plain(51)]).to_dict("records")
    assert found[0]["brightness"] == pytest.approx(1 / 64)
    assert found[0]["ink_share"] == pytest.approx(1 / 64)
    assert found[0]["contrast"] == pytest.approx(np.sqrt(1 / 64 - 1 / 64**2))
    assert (found[0]["centre_row"], found[0]["centre_column"]) == pytest.approx((1.0, 0.0))
    assert found[1] == pytest.approx(
        {"brightness": 0.2, "contrast": 0.0, "ink_share": 0.0, "centre_row": 0.5, "centre_column": 0.5}, abs=1e-6
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"no image", plain(1, 40)[:-30], plain(1)[:40] + b"garbage" + plain(1)[47:], None, "text"],
    ids=["empty", "other bytes", "cut", "damaged", "none", "text"],
)
def test_bytes_that_are_no_image_are_named_by_place(data):
    with pytest.raises(DataError, match=r"image 1: expected the bytes of an image, found .*; remove or replace it"):
        MODALITY.tensors([plain(1), data], {})


def test_an_image_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(Pictures, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="image 0: expected the bytes of an image, found Image size"):
        MODALITY.descriptors([plain(1)])


def test_a_side_of_zero_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Image(side=0)


def test_lengths_are_all_alike():
    np.testing.assert_array_equal(MODALITY.lengths([b"a", b"bcd"], {}), [1, 1])
