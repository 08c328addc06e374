"""The frozen prefix: computed once, and the same training as if it were computed every time."""

from __future__ import annotations

import io
import types
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image as Pictures
from rootstock.data.image import Image
from rootstock.finetuning import gradient, hidden_states
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.frozen_prefix import split_encoder
from rootstock.finetuning.hidden_states import through_prefix
from rootstock.head import log_probabilities
from rootstock.part import Rows, Start
from rootstock.rows import bare_encoder


@pytest.fixture
def steady(toy):
    """The toy's encoder without dropout, which would differ between the two ways."""
    encoder = toy.encoder.load()
    for module in encoder.model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0
    return encoder


def test_prefix_and_suffix_give_what_the_whole_gives(toy, steady):
    prefix, suffix = split_encoder(steady, 1, toy.train.inputs)
    states = through_prefix(prefix, toy.train, label="x")
    assert np.abs(suffix.embed(states.inputs) - steady.embed(toy.train.inputs)).max() < 2e-3  # half precision between the layers


def test_a_backbone_that_never_comes_to_the_cut_is_refused(toy, steady):
    with pytest.raises(TypeError, match="never came to the cut"):
        hidden_states.hidden_states(steady, toy.train.inputs[:2])


def test_the_hidden_states_hold_no_padding(toy, steady):
    states = through_prefix(split_encoder(steady, 1, toy.train.inputs)[0], toy.train, label="x")
    tokens = [len(steady.processor(text)["input_ids"]) for text in toy.train.inputs]
    assert [len(rows) for rows in states.inputs] == tokens


def test_training_gives_the_same_losses_with_and_without_it(toy, make_method, monkeypatch):
    def load():
        encoder = toy.encoder.load()
        for module in encoder.model.modules():
            if type(module).__name__ == "Dropout":
                module.p = 0.0
        return encoder

    start = replace(toy.start, load=load, states={})
    # One batch an epoch: the two ways sort rows by another length, so that smaller batches would hold other rows.
    method = make_method["lora"](last_layers=1, batch_rows=64, epochs=3)
    cached = method.fit(start, toy.train, heldout=toy.test, setting=None, seed=0)
    monkeypatch.setattr(gradient, "split_encoder", lambda *_: None)
    plain = method.fit(start, toy.train, heldout=toy.test, setting=None, seed=0)
    assert cached.losses == pytest.approx(plain.losses, rel=5e-3)
    assert np.abs(cached.heldout[3.0] - plain.heldout[3.0]).max() < 0.01
    assert np.abs(cached.encoder.embed(toy.test.inputs) - plain.encoder.embed(toy.test.inputs)).max() < 0.02


def test_only_layers_above_the_prefix_are_changed(toy, make_method):
    before = toy.encoder.load().model.state_dict()
    fitted = make_method["lora"](last_layers=1).fit(toy.start, toy.train, heldout=None, setting=None, seed=0)
    merged = fitted.encoder.model.merge_and_unload().state_dict()
    changed = {name for name in before if not np.array_equal(before[name].numpy(), merged[name].numpy())}
    assert changed
    assert all(name.startswith("encoder.layer.1.attention.self.") for name in changed)


def test_an_encoder_that_cannot_be_cut_is_trained_whole(toy, steady):
    assert split_encoder(steady, 0, toy.train.inputs) is None
    steady.model.encoder.layer = None
    assert split_encoder(steady, 1, toy.train.inputs) is None


SMALL = {
    "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 40, "pad_token_id": 0,
}  # fmt: skip


def looks_like_bert(steady, name, **more):
    """An encoder of another architecture that keeps its layers as BERT does, with none of its weights as it was initialised."""
    import transformers

    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**(SMALL | more))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return replace(steady, model=model)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Electra", {"embedding_size": 8}),
        ("RemBert", {"input_embedding_size": 8}),
        ("Longformer", {"attention_window": 8}),
    ],
)
def test_an_architecture_whose_parts_do_not_give_what_the_whole_gives_is_not_cut(toy, steady, name, more):
    assert split_encoder(looks_like_bert(steady, name, **more), 1, toy.train.inputs) is None


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Bert", {}),
        ("Roberta", {}),
        ("MPNet", {}),
        ("Electra", {"embedding_size": 16}),
        ("DistilBert", {"dim": 16, "n_heads": 2, "n_layers": 2, "hidden_dim": 32}),
        ("ModernBert", {"global_attn_every_n_layers": 2, "local_attention": 4}),
        ("MegatronBert", {}),
        ("RobertaPreLayerNorm", {}),
        ("XLMRobertaXL", {}),
        ("Esm", {"position_embedding_type": "rotary", "mask_token_id": 4, "token_dropout": True}),
    ],
)
def test_an_architecture_whose_parts_give_what_the_whole_gives_is_cut(toy, steady, name, more):
    whole = looks_like_bert(steady, name, **more)
    prefix, suffix = split_encoder(whole, 1, toy.train.inputs)
    found, expected = suffix.embed(through_prefix(prefix, toy.train, label="x").inputs), whole.embed(toy.train.inputs)
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


SMALL_VIT = {
    "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 16, "patch_size": 4,
}  # fmt: skip
SMALL_CONVNEXT = {"hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 2, 1], "patch_size": 2}


def pictures(rows):
    random = np.random.default_rng(1)
    pixels = random.integers(0, 255, (rows, 16, 16, 3)).astype(np.uint8)
    streams = [io.BytesIO() for _ in pixels]
    for stream, each in zip(streams, pixels, strict=True):
        Pictures.fromarray(each).save(stream, format="PNG")
    return Rows([stream.getvalue() for stream in streams], np.arange(rows) % 2, np.zeros((rows, 0)))


def reads_images(folder, name, settings, pooling="mean"):
    import transformers

    torch.manual_seed(0)
    getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings)).save_pretrained(folder)
    return bare_encoder(str(folder), Image(side=16), pooling=pooling, batch_rows=4, cache_folder=folder / "features").load()


@pytest.mark.parametrize("pooling", ["mean", "first_token"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ViT", SMALL_VIT),
        ("DeiT", SMALL_VIT),
        ("Dinov2", SMALL_VIT),
        ("Dinov2WithRegisters", SMALL_VIT | {"num_register_tokens": 2}),
        ("ConvNext", SMALL_CONVNEXT),
    ],
)
def test_backbones_for_images_are_cut_and_pool_as_the_whole_does(tmp_path, name, settings, pooling):
    rows = pictures(6)
    whole = reads_images(tmp_path, name, settings, pooling)
    prefix, suffix = split_encoder(whole, 2, rows.inputs)
    found, expected = suffix.embed(through_prefix(prefix, rows, label="x").inputs), whole.embed(rows.inputs)
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


def test_layers_that_count_what_they_see_are_not_cut(tmp_path):
    settings = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"}
    whole = reads_images(tmp_path, "ResNet", settings)
    whole.model.embeddings = whole.model.embedder
    assert split_encoder(whole, 1, pictures(4).inputs) is None


def test_the_last_layers_of_a_vision_transformer_learn_alike_with_and_without_it(tmp_path, make_method, monkeypatch):
    rows = pictures(12)
    whole = reads_images(tmp_path, "ViT", SMALL_VIT | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    weights = {name: value.clone() for name, value in whole.model.state_dict().items()}

    def load():
        whole.model.load_state_dict(weights)
        return whole

    method = make_method["last_layers"](batch_rows=4, epochs=3)
    cached = method.fit(Start(load, 2, None), rows, heldout=rows, setting=None, seed=0)
    trained = {name: value.clone() for name, value in whole.model.state_dict().items()}
    monkeypatch.setattr(gradient, "split_encoder", lambda *_: None)
    plain = method.fit(Start(load, 2, None), rows, heldout=rows, setting=None, seed=0)
    assert cached.losses == pytest.approx(plain.losses, rel=0.01)
    assert np.abs(cached.heldout[3.0] - plain.heldout[3.0]).max() < 0.02
    changed = {name for name, value in trained.items() if not torch.equal(value, weights[name])}
    assert changed
    assert all(name.startswith("layers.2.") for name in changed)


def test_an_architecture_that_cannot_be_cut_is_trained_as_cross_validation_says(toy, steady, make_method):
    start = replace(toy.start, load=lambda: looks_like_bert(steady, "Electra", embedding_size=8), states={})
    fitted = make_method["lora"](last_layers=1).fit(start, toy.train, heldout=toy.test, setting=None, seed=0)
    said = np.exp(log_probabilities(fitted.encoder.embed(toy.test.inputs), fitted.head))
    assert np.abs(said - fitted.heldout[4.0]).max() < 1e-3


def test_padding_in_front_is_not_cut(toy, steady, monkeypatch):
    monkeypatch.setattr(steady.processor, "padding_side", "left")
    assert split_encoder(steady, 1, toy.train.inputs) is None


def test_cutting_leaves_mode_gradients_and_random_numbers_as_they_were(toy, steady):
    steady.model.train()
    weight = next(steady.model.parameters())
    weight.grad = torch.ones_like(weight)
    random = torch.get_rng_state()
    assert split_encoder(steady, 1, toy.train.inputs) is not None
    assert all(module.training for module in steady.model.modules())
    assert weight.grad.eq(1).all()
    assert torch.get_rng_state().equal(random)


def test_states_that_the_disk_has_no_room_for_are_computed_anew_instead(toy, steady, monkeypatch):
    def full():
        raise OSError("no space left on device")

    monkeypatch.setattr("rootstock.finetuning.read_once.tempfile.TemporaryFile", full)
    assert through_prefix(split_encoder(steady, 1, toy.train.inputs)[0], toy.train, label="x") is None


def test_a_disk_that_would_be_filled_is_told_before_it_is(toy, make_method, monkeypatch):
    monkeypatch.setattr("rootstock.finetuning.read_once.shutil.disk_usage", lambda _: types.SimpleNamespace(free=4000))
    method = make_method["lora"](last_layers=1, dropout=0.0)
    fitted = method.fit(replace(toy.start, states={}), toy.train, heldout=None, setting=None, seed=0)
    assert fitted.notes == (
        "lora: frozen layers are computed anew every epoch, as what they give fits not onto the disk of the temporary folder, or "
        "not into half precision; TMPDIR names another folder",
    )


def test_states_too_large_for_half_precision_are_computed_anew_instead(toy, steady, monkeypatch):
    prefix = split_encoder(steady, 1, toy.train.inputs)[0]
    real = hidden_states.hidden_states
    monkeypatch.setattr(hidden_states, "hidden_states", lambda *given: [row * np.float16("inf") for row in real(*given)])
    assert through_prefix(prefix, toy.train, label="x") is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"augmentations": [{"name": "word_dropout", "share": 0.1}]}, "augmentations change the inputs"),
        ({}, "this backbone cannot be cut above them"),
    ],
)
def test_frozen_layers_that_are_computed_anew_are_told(toy, steady, make_method, changed, why):
    start = toy.start if changed else replace(toy.start, load=lambda: looks_like_bert(steady, "Electra", embedding_size=8))
    method = make_method["lora"](last_layers=1, **changed)
    fitted = method.fit(replace(start, states={}), toy.train, heldout=None, setting=None, seed=0)
    assert fitted.notes == (f"lora: frozen layers are computed anew every epoch, as {why}",)


def test_a_row_is_computed_once_for_all_folds(toy, steady):
    prefix, _ = split_encoder(steady, 1, toy.train.inputs)
    known, seen = {}, []
    prefix.model.register_forward_pre_hook(lambda *_: seen.append(1))
    first = through_prefix(prefix, toy.train, label="x", known=known)
    passes = len(seen)
    again = through_prefix(prefix, take(toy.train, np.arange(10)), label="x", known=known)
    assert len(seen) == passes > 0
    assert all(np.array_equal(again.inputs[i], first.inputs[i]) for i in range(10))


def test_states_are_memory_mapped(toy, steady):
    states = through_prefix(split_encoder(steady, 1, toy.train.inputs)[0], toy.train, label="x")
    assert isinstance(states.inputs[0].base, np.memmap)


def test_the_rows_and_the_encoder_are_not_changed(toy, steady):
    inputs, weights = list(toy.train.inputs), {k: v.clone() for k, v in steady.model.state_dict().items()}
    prefix, suffix = split_encoder(steady, 1, toy.train.inputs)
    suffix.embed(through_prefix(prefix, toy.train, label="x").inputs)
    assert list(toy.train.inputs) == inputs
    assert all((weights[k] == v).all() for k, v in steady.model.state_dict().items())
    assert len(steady.model.encoder.layer) == 2


def test_rows_without_features_get_them_from_the_hidden_states(toy, make_method):
    method = make_method["lora"](last_layers=1, dropout=0.0)
    bare = replace(toy.train, features=np.zeros((len(toy.train.labels), 0)))
    start = replace(toy.start, states={})
    known = method.fit(start, toy.train, heldout=toy.test, setting=None, seed=0)
    found = method.fit(start, bare, heldout=toy.test, setting=None, seed=0)
    assert found.losses == pytest.approx(known.losses, rel=0.01)  # states are in half precision
    assert np.abs(found.heldout[4.0] - known.heldout[4.0]).max() < 0.02
