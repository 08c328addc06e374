"""Images that are decoded once for all epochs and folds."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures
from rootstock import row_by_row
from rootstock.data import image
from rootstock.data.image import Image
from rootstock.encoder import Encoder
from rootstock.errors import DataError
from rootstock.finetuning import gradient
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.pixels import decoded_once, to_be_changed
from rootstock.part import Rows, Start

SIDE = 8


@pytest.fixture
def rows() -> Rows:
    random = np.random.default_rng(0)
    inputs, labels = [], np.arange(20) % 2
    for label in labels:
        pixels, buffer = random.integers(0, 120, (12, 10, 3)), io.BytesIO()
        pixels[..., 2 * label] += 100
        Pictures.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
        inputs.append(buffer.getvalue())
    return Rows(inputs, labels, np.zeros((20, 0)))


@pytest.fixture
def start() -> Start:
    import torch
    from transformers import ResNetConfig, ResNetModel

    def load() -> Encoder:
        torch.manual_seed(0)
        model = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"))
        return Encoder(model, {}, Image(side=SIDE), "mean", 4)

    return Start(load, 2, None)


@pytest.fixture
def decoded(monkeypatch) -> list[bytes]:
    """Every image that is opened, in order."""
    found: list[bytes] = []
    real = image._opened

    def opened(data: Any, index: int) -> Any:
        found.append(data)
        return real(data, index)

    monkeypatch.setattr(image, "_opened", opened)
    return found


@pytest.fixture
def full(make_method):
    return make_method["full"](epochs=3, probe_regularisation=None)


def trained(method, start, rows, heldout=None):
    fitted = method.fit(start, rows, heldout=heldout, setting=None, seed=0)
    return {name: value.numpy().copy() for name, value in fitted.encoder.model.state_dict().items()}, fitted


def test_training_is_the_same_to_the_bit_as_with_images_decoded_every_epoch(start, rows, full, monkeypatch):
    few, others = take(rows, np.arange(12)), take(rows, np.arange(12, 20))
    once, first = trained(full, start, few, others)
    monkeypatch.setattr(gradient, "decoded_once", lambda *_, **__: None)
    anew, second = trained(full, replace(start, states={}), few, others)
    assert first.losses == second.losses
    assert all(np.array_equal(once[name], anew[name]) for name in anew)
    assert all(np.array_equal(first.heldout[epoch], second.heldout[epoch]) for epoch in (1.0, 2.0, 3.0))


def test_an_image_is_decoded_once_for_all_epochs_and_folds(start, rows, full, decoded):
    for fold in range(3):
        inside = np.arange(20) % 4 != fold
        trained(full, start, take(rows, np.flatnonzero(inside)), take(rows, np.flatnonzero(~inside)))
    assert sorted(set(decoded)) == sorted(rows.inputs)
    assert len(decoded) <= len(rows.inputs) + 3 * 2  # one or two to ask whether there is anything to be kept


def test_images_that_change_every_epoch_are_decoded_once_and_seen_every_epoch(start, rows, make_method, decoded, monkeypatch):
    files, real = [], image.pixels_no_finer
    monkeypatch.setattr(image, "pixels_no_finer", lambda content, **given: files.append(content) or real(content, **given))
    crop = [{"name": "crop", "smallest": 0.9}]
    method = make_method["full"](epochs=3, probe_regularisation=None, augmentations=crop)
    once, first = trained(method, start, rows)
    assert sorted(files) == sorted(rows.inputs)
    assert len(decoded) >= 3 * len(rows.inputs)
    monkeypatch.setattr(gradient, "to_be_changed", lambda _, rows, **__: rows.inputs)
    anew, second = trained(method, replace(start, states={}), rows)
    assert first.losses == second.losses
    assert all(np.array_equal(once[name], anew[name]) for name in anew)


def test_rows_held_out_are_decoded_once_where_others_change_every_epoch(start, rows, make_method, decoded, monkeypatch):
    few, others = take(rows, np.arange(12)), take(rows, np.arange(12, 20))
    crop = [{"name": "crop", "smallest": 0.9}]
    method = make_method["full"](epochs=4, probe_regularisation=None, augmentations=crop)
    once, first = trained(method, start, few, others)
    assert [decoded.count(content) for content in others.inputs] == [1] * 8
    monkeypatch.setattr(gradient, "decoded_once", lambda *_, **__: None)
    anew, second = trained(method, replace(start, states={}), few, others)
    assert all(np.array_equal(once[name], anew[name]) for name in anew)
    assert all(np.array_equal(first.heldout[epoch], second.heldout[epoch]) for epoch in (1.0, 4.0))


def photographs(rows: Rows) -> Rows:
    """The same, much larger than the backbone sees them."""
    found = []
    for content in rows.inputs:
        buffer = io.BytesIO()
        Pictures.open(io.BytesIO(content)).resize((120, 100)).save(buffer, format="JPEG", quality=95)
        found.append(buffer.getvalue())
    return replace(rows, inputs=found)


def test_large_images_that_change_every_epoch_are_scaled_down_once(start, rows, make_method, monkeypatch):
    large, scaled, changed = photographs(rows), [], []
    real_scale, real_open = image.pixels_no_finer, row_by_row.plain_picture
    monkeypatch.setattr(image, "pixels_no_finer", lambda content, **given: scaled.append(content) or real_scale(content, **given))
    monkeypatch.setattr(row_by_row, "plain_picture", lambda pixels: changed.append(pixels.shape) or real_open(pixels))
    method = make_method["full"](epochs=3, probe_regularisation=None, augmentations=[{"name": "rotation", "degrees": 5}])
    for fold in range(2):
        trained(method, start, take(large, np.flatnonzero(np.arange(20) % 4 != fold)))
    assert sorted(scaled) == sorted(large.inputs)
    assert {min(shape[:2]) for shape in changed} == {2 * SIDE}
    assert len(changed) == 2 * 3 * 15


def test_large_images_change_alike_where_the_disk_has_no_room(start, rows, make_method, monkeypatch):
    large = photographs(rows)
    method = make_method["full"](epochs=2, probe_regularisation=None, augmentations=[{"name": "crop", "smallest": 0.5}])
    usual, _ = trained(method, start, large)

    def no_room():
        raise OSError("no space left on device")

    monkeypatch.setattr("rootstock.finetuning.read_once.tempfile.TemporaryFile", no_room)
    anew, _ = trained(method, replace(start, states={}), large)
    assert all(np.array_equal(usual[name], anew[name]) for name in anew)


def test_a_disk_without_room_costs_time_alone(start, rows, full, decoded, monkeypatch):
    usual, _ = trained(full, start, rows)

    def no_room():
        raise OSError("no space left on device")

    monkeypatch.setattr("rootstock.finetuning.read_once.tempfile.TemporaryFile", no_room)
    decoded.clear()
    anew, fitted = trained(full, replace(start, states={}), rows)
    assert len(decoded) >= 3 * len(rows.inputs)
    assert fitted.notes == ()
    assert all(np.array_equal(usual[name], anew[name]) for name in anew)


def test_the_model_that_comes_out_reads_images_as_they_are(start, rows, full):
    _, fitted = trained(full, start, rows)
    assert fitted.encoder.modality == Image(side=SIDE)
    assert fitted.encoder.embed(rows.inputs).shape == (20, 16)


def test_texts_have_nothing_to_decode(toy):
    assert decoded_once(toy.start.load(), toy.train, None, known={}, rows_change=False) is None
    assert to_be_changed(toy.start.load(), toy.train, known={}) is toy.train.inputs


def test_an_image_that_cannot_be_read_is_told(start, rows, full):
    broken = replace(rows, inputs=[*rows.inputs[:-1], b"no image"])
    with pytest.raises(DataError, match="expected the bytes of an image"):
        trained(full, start, broken)


def test_rows_stay_as_they_are(start, rows, full):
    before = list(rows.inputs)
    trained(full, start, rows)
    assert rows.inputs == before
