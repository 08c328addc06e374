"""Images handed over as arrays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rootstock.data.arrays import read_image_arrays
from rootstock.data.read import read_dataset
from rootstock.errors import DataError

DIGITS = Path(__file__).parents[3] / "shared" / "data" / "digits"
IMAGE = {"modality": {"name": "image", "side": 32}}
LABELS = np.array([3, 3, 8, 8])


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("channels", [None, 3, 4])
def test_pixels_come_through_unchanged(tmp_path, channels):
    images = noise(4, 5, 7, *([channels] if channels else []))
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    rows = read_image_arrays(tmp_path / "a.npz")
    np.testing.assert_array_equal(np.stack([decoded(content) for content in rows["input"]]), images)
    assert rows["label"].tolist() == ["3", "3", "8", "8"]
    assert "split" not in rows


def test_one_channel_is_grey(tmp_path):
    images = noise(4, 5, 7, 1)
    np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
    np.testing.assert_array_equal(decoded(read_image_arrays(tmp_path / "a.npz")["input"][2]), images[2, :, :, 0])


@pytest.mark.parametrize("labels", [np.array(["cat", "cat", "dog", "dog"]), np.array([b"cat", b"cat", b"dog", b"dog"])])
def test_labels_may_be_texts(tmp_path, data_params, labels):
    np.savez(tmp_path / "a.npz", images=noise(4, 3, 3), labels=labels)
    assert read_dataset(tmp_path / "a.npz", data=data_params(**IMAGE))["label"].tolist() == ["cat", "cat", "dog", "dog"]


def test_names_declare_the_split(tmp_path, data_params):
    np.savez_compressed(
        tmp_path / "a.npz", train_images=noise(4, 3, 3), train_labels=LABELS, test_images=noise(2, 3, 3, seed=1), test_labels=[3, 8]
    )
    assert read_dataset(tmp_path / "a.npz", data=data_params(**IMAGE))["split"].tolist() == ["train"] * 4 + ["test"] * 2


def test_a_test_image_that_stands_in_train_is_named_by_array_and_place(tmp_path, data_params):
    images = noise(4, 3, 3)
    np.savez(tmp_path / "a.npz", train_images=images, train_labels=LABELS, test_images=images[2:], test_labels=LABELS[2:])
    with pytest.raises(DataError, match=r"input of test_images\[0\], split test, also at train_images\[2\], split train"):
        read_dataset(tmp_path / "a.npz", data=data_params(**IMAGE))


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": LABELS}, "expected the arrays images and labels.*found x; rename"),
        ({"test_images": noise(4, 3, 3), "test_labels": LABELS}, "expected the arrays images and labels"),
        ({"images": noise(4, 3, 3), "labels": LABELS, "test_images": noise(4, 3, 3)}, "expected the arrays images and labels"),
        ({"images": noise(4, 3, 3)}, "expected the array labels beside images, found only images"),
        ({"images": noise(4, 3, 3), "labels": LABELS[:3]}, r"expected labels as \(4,\) integers or texts.*found \(3,\)"),
        ({"images": noise(4, 3, 3), "labels": LABELS * 0.5}, "of type float64"),
        ({"images": noise(4, 3, 3) / 255, "labels": LABELS}, "expected images as uint8, 0 to 255, found float64"),
        ({"images": noise(4, 0, 3), "labels": LABELS}, r"an array of zero size, \(4, 0, 3\)"),
        ({"images": noise(4, 3, 3, 2), "labels": LABELS}, r"with 1, 3 or 4 channels, found \(4, 3, 3, 2\)"),
        ({"images": noise(4, 9), "labels": LABELS}, r"found \(4, 9\)"),
        ({"images": noise(4, 3, 3), "labels": np.array([b"caf\xe9"] * 4)}, r"expected labels in UTF-8, found b'caf\\xe9'"),
        ({"images": np.array([None] * 4), "labels": LABELS}, "cannot be read"),
    ],
    ids=[
        "names",
        "test only",
        "mixed",
        "no labels",
        "too few",
        "float labels",
        "float",
        "zero size",
        "channels",
        "flat",
        "not UTF-8",
        "pickled",
    ],
)
def test_arrays_that_are_no_images_are_told_by_name(tmp_path, arrays, told):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=told):
        read_image_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("kept", [0, 10, 300], ids=["empty", "header cut", "cut"])
def test_a_truncated_file_is_one_line(tmp_path, kept):
    path = tmp_path / "a.npz"
    np.savez(path, images=noise(4, 9, 9), labels=LABELS)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a.npz: expected arrays that numpy.savez wrote.*write it again"):
        read_image_arrays(path)


def test_a_damaged_file_is_one_line(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=noise(4, 30, 30), labels=LABELS)
    content = bytearray(path.read_bytes())
    content[200:220] = b"\xff" * 20
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="cannot be read"):
        read_image_arrays(path)


def test_arrays_for_text(tmp_path, data_params):
    np.savez(tmp_path / "a.npz", images=noise(4, 3, 3), labels=LABELS)
    with pytest.raises(DataError, match=r"set data.modality to image for arrays of images"):
        read_dataset(tmp_path / "a.npz", data=data_params())


def test_the_postal_digits_keep_their_split(data_params):
    if not DIGITS.is_dir():
        pytest.skip("../shared/data/digits is not on this machine")
    frame = read_dataset(DIGITS / "usps.npz", data=data_params(**IMAGE))
    assert frame["split"].value_counts().to_dict() == {"train": 7291, "test": 2007}
    assert sorted(frame["label"].unique()) == list("0123456789")
