"""Layers computed in fewer passes: what torch and peft compute themselves, and nothing of it is left in the model."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from rootstock.finetuning import frozen_matrix
from rootstock.finetuning.frozen_matrix import FrozenMatrix, Room, can_pack
from rootstock.finetuning.quick_dropout import quick_dropout, sliced_dropout
from rootstock.finetuning.quick_layers import quick_layers
from rootstock.finetuning.residual_norm import is_residual_norm


def adapted(toy, make_method, name="lora", **changes):
    """An encoder with adapters, everything else frozen, in training mode; the upper matrices are not zero."""
    torch.manual_seed(0)
    encoder = toy.encoder.load()
    for parameter in encoder.model.parameters():
        parameter.requires_grad_(False)
    found = make_method[name](**({"dropout": 0.2} | changes)).adapt(encoder).encoder
    for parameter in found.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    found.model.train()
    return found


def outcome(encoder, texts):
    """Features and gradients, all dropout masks drawn from one seed."""
    torch.manual_seed(5)
    encoder.model.zero_grad()
    features = encoder.features(encoder.modality.tensors(texts, encoder.processor))
    features.square().sum().backward()
    return [features.detach(), *(p.grad for p in encoder.model.parameters() if p.grad is not None)]


def own_forwards(model):
    return [name for name, module in model.named_modules() if "forward" in vars(module)]


@pytest.mark.parametrize("name", ["lora", "dora", "ia3"])
@pytest.mark.parametrize("rows", [1, 3, 16])
def test_features_and_gradients_are_those_of_the_layers_themselves(toy, make_method, name, rows):
    encoder = adapted(toy, make_method, name)
    texts = list(toy.train.inputs[:rows])
    with quick_dropout(encoder.model):
        expected = outcome(encoder, texts)
        with quick_layers(encoder.model):
            found = outcome(encoder, texts)
    assert len(found) == len(expected) > 4
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).abs().max()) <= 1e-4 * float(other.abs().max())


def test_adapters_blocks_and_linear_layers_are_recognised(toy, make_method):
    encoder = adapted(toy, make_method)
    with quick_dropout(encoder.model), quick_layers(encoder.model):
        found = own_forwards(encoder.model)
    layers = range(len(encoder.model.base_model.model.encoder.layer))
    for layer in layers:
        for part in ("attention.self.query", "attention.self.value", "attention.self.key", "attention.output", "output"):
            assert any(name.endswith(f"layer.{layer}.{part}") for name in found), part


def test_the_model_has_its_own_layers_back(toy, make_method):
    encoder = adapted(toy, make_method)
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    with quick_dropout(encoder.model), quick_layers(encoder.model):
        outcome(encoder, list(toy.train.inputs[:4]))
        assert own_forwards(encoder.model)
    assert own_forwards(encoder.model) == []
    assert all(torch.equal(before[name], value) for name, value in encoder.model.state_dict().items())


def test_in_evaluation_every_layer_is_itself(toy, make_method):
    encoder = adapted(toy, make_method)
    expected = encoder.embed(toy.test.inputs)
    with quick_dropout(encoder.model), quick_layers(encoder.model):
        found = encoder.embed(toy.test.inputs)
    np.testing.assert_array_equal(found, expected)


def test_what_is_trained_keeps_its_own_layers(toy):
    model = toy.encoder.load().model.train()
    with quick_dropout(model), quick_layers(model):
        assert own_forwards(model) == []


@pytest.mark.parametrize("name", ["dora", "ia3"])
def test_other_adapters_keep_pefts_own_layer(toy, make_method, name):
    encoder = adapted(toy, make_method, name)
    with quick_dropout(encoder.model), quick_layers(encoder.model):
        found = own_forwards(encoder.model)
    assert not any(path.endswith(("self.value", "self.key")) for path in found if name == "ia3")
    assert not any(path.endswith(("self.query", "self.value")) for path in found if name == "dora")


class Block(torch.nn.Module):
    """The end of a block, with what is done given."""

    def __init__(self, order):
        super().__init__()
        self.dense, self.LayerNorm, self.dropout = torch.nn.Linear(6, 4), torch.nn.LayerNorm(4), sliced_dropout(0.1)
        self.order = order
        self.requires_grad_(False)

    def forward(self, values, beside):
        return self.order(self, values, beside)


@pytest.mark.parametrize(
    ("order", "recognised"),
    [
        (lambda block, x, y: block.LayerNorm(block.dropout(block.dense(x)) + y), True),
        (lambda block, x, y: block.dropout(block.LayerNorm(block.dense(x) + y)), False),
        (lambda block, x, y: block.LayerNorm(block.dropout(block.dense(x) + y)), False),
        (lambda block, x, y: block.LayerNorm(block.dropout(block.dense(x))) + y, False),
        (lambda block, x, y: block.LayerNorm(block.dense(x) + y), False),
        (lambda block, x, y: (block.LayerNorm(block.dropout(block.dense(x)) + y),), False),
        (lambda block, x, y: block.dense(y), False),
    ],
)
def test_a_block_is_recognised_by_what_it_computes(order, recognised):
    block = Block(order)
    dropout = block.dropout
    assert is_residual_norm(block) is recognised
    assert block.dropout is dropout


@pytest.mark.parametrize("rows", [1, 2, 7, 255, 256, 257, 1000])
@pytest.mark.parametrize("bias", [True, False])
def test_products_with_a_frozen_matrix_are_those_in_double_precision(rows, bias):
    torch.manual_seed(rows)
    layer = torch.nn.Linear(48, 96, bias=bias)
    matrix = FrozenMatrix(layer.weight.detach(), layer.bias.detach() if bias else None, Room())
    values, gradients = torch.randn(rows, 48), torch.randn(rows, 96)
    exact = copy.deepcopy(layer).double()
    for _ in range(2):  # checked the first time, taken as it is the second
        np.testing.assert_allclose(matrix.forward(values), exact(values.double()).detach(), atol=1e-5)
        np.testing.assert_allclose(matrix.backward(gradients), gradients.double() @ exact.weight.detach(), atol=1e-5)


def test_without_room_nothing_is_packed_and_products_are_right():
    room = Room(bytes_left=100)
    weight, values = torch.randn(8, 8), torch.randn(5, 8)
    torch.testing.assert_close(FrozenMatrix(weight, None, room).forward(values), values @ weight.t())
    assert room.bytes_left == 100


@pytest.mark.skipif(not can_pack(), reason="this torch cannot keep packed weights")
def test_a_packed_product_that_is_wrong_is_not_taken(monkeypatch):
    monkeypatch.setattr(frozen_matrix, "_holds", {})
    monkeypatch.setattr(frozen_matrix, "_packed_product", lambda rows, packed, weight, bias: torch.zeros(len(rows), len(weight)))
    weight, values = torch.randn(8, 8), torch.randn(5, 8)
    matrix = FrozenMatrix(weight, None, Room())
    for _ in range(2):
        torch.testing.assert_close(matrix.forward(values), values @ weight.t())
    assert frozen_matrix._holds == {(8, 8, 5): False}
