"""What does not fit into memory at once."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.backbone import load_encoder
from rootstock.data.text import Text
from rootstock.encoder import Encoder
from rootstock.finetuning import hidden_states
from rootstock.finetuning.frozen_prefix import split_encoder
from rootstock.out_of_memory import in_halves
from rootstock.part import Rows


@pytest.fixture
def tiny_encoder(tiny_backbone) -> Encoder:
    modality = Text(max_tokens=32)
    return Encoder(load_encoder(tiny_backbone), modality.load_processor(tiny_backbone), modality, "mean", 4)


def room_for(rows: int, tried: list[int] | None = None):
    def compute(asked):
        if tried is not None:
            tried.append(len(asked))
        if len(asked) > rows:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return asked * 10

    return compute


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_every_row_is_computed_once_and_in_order(rows):
    asked, made = zip(*in_halves(room_for(rows), np.arange(50, 63)), strict=True)
    assert np.concatenate(asked).tolist() == list(range(50, 63))
    assert np.concatenate(made).tolist() == list(range(500, 630, 10))
    assert max(map(len, asked)) <= rows


def test_what_fits_is_not_divided():
    tried: list[int] = []
    list(in_halves(room_for(8, tried), np.arange(8)))
    assert tried == [8]


def test_a_single_row_that_does_not_fit_and_another_error_are_raised():
    with pytest.raises(RuntimeError, match="out of memory"):
        list(in_halves(room_for(0), np.arange(4)))

    def broken(_):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(in_halves(broken, np.arange(4)))


def test_texts_are_embedded_in_halves_where_memory_is_small(tiny_encoder, monkeypatch):
    texts = [f"text number {number}" for number in range(9)]
    whole, real = tiny_encoder.embed(texts), Encoder.features

    def features(self, tensors):
        if len(tensors["input_ids"]) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(self, tensors)

    monkeypatch.setattr(Encoder, "features", features)
    np.testing.assert_allclose(tiny_encoder.embed(texts), whole, atol=1e-5)


def test_frozen_layers_are_computed_in_halves_where_memory_is_small(tiny_encoder, monkeypatch):
    rows = Rows([f"text number {number}" for number in range(9)], np.zeros(9, dtype=np.int64), np.zeros((9, 0)))
    prefix, _ = split_encoder(tiny_encoder, 1, rows.inputs)
    whole, real = hidden_states.through_prefix(prefix, rows, label="x"), hidden_states.hidden_states

    def small(prefix, inputs):
        if len(inputs) > 2:
            raise RuntimeError("CUDA out of memory")
        return real(prefix, inputs)

    monkeypatch.setattr(hidden_states, "hidden_states", small)
    halved = hidden_states.through_prefix(prefix, rows, label="x")
    for one, other in zip(halved.inputs, whole.inputs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2)
