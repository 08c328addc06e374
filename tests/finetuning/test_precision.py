"""What is frozen may be held in bfloat16, and dropout made cheap: training ends with the weights it started from."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from rootstock.finetuning import gradient
from rootstock.finetuning.precision import bfloat16_pays, frozen_in_bfloat16
from rootstock.finetuning.quick_dropout import quick_dropout, sliced_dropout
from transformers import GPT2Config, GPT2Model


def test_whether_it_pays_is_measured_once():
    assert bfloat16_pays(64) is bfloat16_pays(64)
    assert bfloat16_pays.cache_info().hits >= 1


def test_frozen_weights_are_the_same_to_the_last_bit_afterwards(toy):
    model = toy.start.load().model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trained = model.encoder.layer[1].output.dense.weight
    for parameter in model.parameters():
        parameter.requires_grad_(parameter is trained)
    with frozen_in_bfloat16(model, wanted=True):
        assert model.encoder.layer[0].output.dense.weight.dtype == torch.bfloat16
        assert trained.dtype == torch.float32
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["lora", "last_layers"])
@pytest.mark.parametrize("last_layers", [None, 1])
def test_training_beside_bfloat16_learns_the_same(toy, make_method, monkeypatch, name, last_layers):
    monkeypatch.setattr(gradient, "bfloat16_pays", lambda width: True)
    method = make_method[name](epochs=8, last_layers=last_layers)
    single, half = (
        method.fit(replace(toy.start, bfloat16=bfloat16, states={}), toy.train, heldout=toy.test, setting=None, seed=0)
        for bfloat16 in (False, True)
    )
    assert half.losses != single.losses
    assert half.losses == pytest.approx(single.losses, abs=0.05)
    assert toy.accuracy(half.heldout[8.0]) > 0.9
    assert all(value.dtype != torch.bfloat16 for value in half.encoder.model.state_dict().values())


def in_single_and_half(toy, make_method, model):
    """Losses of training the last layer, as asked for in single precision and in bfloat16."""
    encoder = replace(toy.encoder.load(), model=model.eval())
    start = replace(toy.start, load=lambda: copy.deepcopy(encoder), states={})
    return [
        make_method["last_layers"]().fit(replace(start, bfloat16=bfloat16), toy.train, heldout=None, setting=None, seed=0).losses
        for bfloat16 in (False, True)
    ]


SMALL = {
    "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 40,
}  # fmt: skip


def test_a_backbone_that_mixes_what_is_frozen_with_what_is_trained_stays_in_single_precision(toy, make_method, monkeypatch):
    """ELECTRA is not cut above its frozen layers where its embeddings are narrower than they are."""
    monkeypatch.setattr(gradient, "bfloat16_pays", lambda width: True)
    torch.manual_seed(0)
    model = transformers.ElectraModel(transformers.ElectraConfig(**(SMALL | {"embedding_size": 8})))
    single, half = in_single_and_half(toy, make_method, model)
    assert half == single


def test_a_backbone_that_adds_frozen_weights_to_what_a_trained_layer_reads_learns_the_same(toy, make_method, monkeypatch):
    """MPNet adds places, which are frozen, to what every layer attends to."""
    monkeypatch.setattr(gradient, "bfloat16_pays", lambda width: True)
    torch.manual_seed(0)
    single, half = in_single_and_half(toy, make_method, transformers.MPNetModel(transformers.MPNetConfig(**SMALL)))
    assert half == pytest.approx(single, rel=1e-4)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_sliced_dropout_zeroes_its_share_and_keeps_the_mean(rate):
    torch.manual_seed(0)
    values = torch.ones(400, 1001)
    found = sliced_dropout(rate)(values)
    assert float((found == 0).float().mean()) == pytest.approx(rate, abs=0.005)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.005)


def test_sliced_dropout_is_off_in_evaluation_and_repeats_by_seed():
    module, values = sliced_dropout(0.3), torch.ones(7, 5)
    assert torch.equal(module.eval()(values), values)
    module.train()
    masks = []
    for _ in range(2):
        torch.manual_seed(4)
        masks.append(module(values))
    assert torch.equal(*masks)


def test_attention_that_reads_the_rate_of_its_dropout_is_trained(toy, make_method):
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=64, n_positions=40, n_embd=16, n_layer=2, n_head=2, pad_token_id=0)
    start = replace(toy.start, load=lambda: replace(toy.encoder.load(), model=GPT2Model(config)), states={})
    rows = replace(toy.train, features=np.zeros((len(toy.train.labels), 0)))
    assert len(make_method["full"](epochs=2).fit(start, rows, heldout=None, setting=None, seed=0).losses) == 2


def test_the_model_has_its_own_dropout_back(toy):
    model = toy.start.load().model

    def found():
        return [(name, module.p) for name, module in model.named_modules() if type(module) is torch.nn.Dropout]

    before = found()
    with quick_dropout(model):
        assert {rate for _, rate in found()} <= {0.0}
    assert found() == before
    assert len(before) > 4


def test_gradients_pass_where_values_were_kept():
    torch.manual_seed(0)
    values = torch.ones(50, 8, requires_grad=True)
    found = sliced_dropout(0.5)(values)
    found.sum().backward()
    np.testing.assert_array_equal(values.grad.numpy() == 0, found.detach().numpy() == 0)


def test_two_masks_are_not_the_same():
    torch.manual_seed(0)
    module, values = sliced_dropout(0.5), torch.ones(40, 40)
    assert not torch.equal(module(values), module(values))


def test_a_batch_larger_than_the_mask_still_loses_its_share():
    found = sliced_dropout(0.5)(torch.ones(2**21 + 1))
    assert float((found == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
