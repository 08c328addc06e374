"""A backbone's layers: where architectures keep them, and what is said where they are not found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from rootstock.errors import ParamsError
from rootstock.finetuning.layers import layers_of
from transformers import AlbertConfig, AlbertModel, DINOv3ViTConfig, DINOv3ViTModel, DistilBertConfig, DistilBertModel


def distilbert():
    torch.manual_seed(0)
    return DistilBertModel(
        DistilBertConfig(vocab_size=64, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=40)
    ).eval()  # fmt: skip


def albert():
    torch.manual_seed(0)
    return AlbertModel(
        AlbertConfig(
            vocab_size=64, embedding_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=40,
        )
    ).eval()  # fmt: skip


@pytest.fixture
def start_of(toy):
    """Gives a start whose backbone is of another architecture, read as the toy's is."""
    return lambda make: replace(toy.start, load=lambda: replace(toy.encoder.load(), model=make()), states={})


def bare(rows):
    return replace(rows, features=np.zeros((len(rows.labels), 0)))


def test_layers_of_a_transformer_without_an_encoder_are_found():
    model = distilbert()
    assert layers_of(model) == list(model.transformer.layer)


def test_layers_of_a_model_within_the_model_are_found():
    with torch.device("meta"):
        model = DINOv3ViTModel(DINOv3ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32))
    assert len(layers_of(model)) == 2


@pytest.mark.parametrize(
    ("architecture", "sizes", "layers"),
    [
        ("EfficientNet", {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320}, 7),
        ("OPT", {"vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "ffn_dim": 32}, 3),
        ("Funnel", {"vocab_size": 64, "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 2]}, 2),
    ],
)
def test_layers_are_found_under_the_name_that_the_architecture_gives_them(architecture, sizes, layers):
    with torch.device("meta"):
        model = getattr(transformers, f"{architecture}Model")(getattr(transformers, f"{architecture}Config")(**sizes))
    assert len(layers_of(model)) == layers


def test_layers_that_share_their_weights_are_not_found():
    assert layers_of(albert()) == []


def test_lora_in_the_last_layer_of_distilbert_changes_that_layer_alone(toy, make_method, start_of):
    method = make_method["lora"](last_layers=1, target_modules=("q_lin", "v_lin"))
    fitted = method.fit(start_of(distilbert), bare(toy.train), heldout=bare(toy.test), setting=None, seed=0)
    assert fitted.losses[-1] < fitted.losses[0]
    before, merged = distilbert().state_dict(), fitted.encoder.model.merge_and_unload().state_dict()
    changed = {name for name in before if not before[name].equal(merged[name])}
    assert changed
    assert all(name.startswith("transformer.layer.2.attention.") for name in changed)


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("lora", {"last_layers": 1}, "last_layers of lora is 1, but of .* not found; set last_layers: null"),
        ("last_layers", {}, "last_layers.layers is 1, but of .* not found; name another method"),
        ("full", {"layer_decay": 0.5}, "its layers are not found; name the method full, with layer_decay: 1"),
        ("gradual_unfreezing", {"layer_decay": 1.0}, "its layers are not found; name the method full"),
    ],
)
def test_a_method_that_must_tell_layers_apart_refuses_a_backbone_whose_layers_are_not_found(
    toy, make_method, start_of, name, changes, said
):
    with pytest.raises(ParamsError, match=said):
        make_method[name](**changes).fit(start_of(albert), toy.train, heldout=None, setting=None, seed=0)


def test_full_fine_tuning_at_one_rate_needs_no_layers(toy, make_method, start_of):
    fitted = make_method["full"](epochs=2).fit(start_of(albert), bare(toy.train), heldout=None, setting=None, seed=0)
    assert len(fitted.losses) == 2
