"""Backbones: found, hashed, loaded and used on a real tiny BERT."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from rootstock.backbone import content_hash, load_encoder, locate, new_encoder
from rootstock.data.image import Image
from rootstock.data.text import Text
from rootstock.encoder import Encoder, batch_tokens, batches, pool, pool_layers
from rootstock.errors import BackboneError, DataError
from rootstock.rows import bare_encoder, label_indices, read_split
from safetensors.torch import load_file, save_file

TEXTS = ["the keel of a mast", "dough", "a nova near the old moon of orbit", "crust", "hull hull hull hull hull hull"]


@pytest.fixture
def encoder(tiny_backbone: Path) -> Encoder:
    modality = Text(max_tokens=16)
    return Encoder(load_encoder(tiny_backbone), modality.load_processor(tiny_backbone), modality, "mean", 2)


@pytest.fixture
def copied(tiny_backbone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_backbone, tmp_path / "copied"))


def keep_weights(folder: Path, rename: Callable[[str], str | None]) -> None:
    """Give the weights of a folder other names, and drop those that get None."""
    path = folder / "model.safetensors"
    kept = {rename(name): weight for name, weight in load_file(path).items()}
    save_file({name: weight for name, weight in kept.items() if name is not None}, path, metadata={"format": "pt"})


def test_a_missing_folder():
    with pytest.raises(BackboneError, match=r"backbone \./none: expected a folder with config\.json and model\.safetensors"):
        locate("./none")


def test_a_missing_package():
    with pytest.raises(BackboneError, match="expected an installed package 'no_such_weights', found none; install it"):
        locate("package:no_such_weights/model")


def test_a_package_without_that_folder():
    with pytest.raises(BackboneError, match="found nothing at"):
        locate("package:rootstock/none")


@pytest.mark.parametrize("name", ["no-such-backbone", "nobody/no-such-backbone", "not a name!"])
def test_a_name_that_is_neither_a_folder_nor_on_the_hub(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(BackboneError, match=f"backbone {name}: "):
        locate(name)


def test_a_folder_without_a_configuration(copied):
    (copied / "config.json").unlink()
    with pytest.raises(BackboneError, match=r"expected config\.json in .*copied, found none"):
        locate(str(copied))


def test_pickled_weights_are_refused_and_the_way_out_is_named(copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(
        BackboneError, match=r"only pickled weights \(pytorch_model\.bin\), which can run code.*safe_serialization=True"
    ):
        locate(str(copied))


def test_a_folder_without_weights(copied):
    (copied / "model.safetensors").unlink()
    with pytest.raises(BackboneError, match="found no weights"):
        locate(str(copied))


def test_a_configuration_that_transformers_does_not_know(copied):
    (copied / "config.json").write_text(json.dumps({"model_type": "no-such-architecture"}), encoding="utf-8")
    with pytest.raises(BackboneError, match="transformers cannot load it"):
        load_encoder(copied)


def test_code_that_lies_beside_the_weights_is_neither_run_nor_asked_about(copied, monkeypatch, capsys):
    raw = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (copied / "config.json").write_text(json.dumps(raw), encoding="utf-8")
    (copied / "own.py").write_text("raise SystemExit('run')\n", encoding="utf-8")
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(BackboneError, match=r"found one of its own .* code that comes with weights is not run") as raised:
        load_encoder(copied)
    assert "\n" not in str(raised.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_tokenizer_of_which_half_was_downloaded(copied, name):
    (copied / name).write_text((copied / name).read_text(encoding="utf-8")[:100], encoding="utf-8")
    with pytest.raises(BackboneError, match="expected a tokenizer that transformers can read, found another or a part of one"):
        Text(max_tokens=16).load_processor(copied)


def test_weights_that_are_a_git_lfs_pointer(copied):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 90000000\n"
    (copied / "model.safetensors").write_text(pointer, encoding="utf-8")
    with pytest.raises(BackboneError, match=r"copied: expected whole \*\.safetensors, found a git-lfs pointer .* 'git lfs pull'"):
        load_encoder(copied)


def test_weights_of_which_half_was_downloaded(copied):
    weights = (copied / "model.safetensors").read_bytes()
    (copied / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(BackboneError, match=r"expected whole \*\.safetensors, found a git-lfs pointer or a part of one"):
        load_encoder(copied)


def test_a_configuration_of_another_size_than_the_weights(copied):
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps(config | {"hidden_size": 32}), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"its weights are not of the sizes that its config\.json says"):
        load_encoder(copied)


@pytest.mark.parametrize(
    ("rename", "said"),
    [
        (lambda name: f"0.auto_model.{name}", r"37 of its 39, such as embeddings\.\S+, and weights of other names, such as 0\."),
        (lambda name: None if ".layer.1." in name else name, r"16 of its 39, such as encoder\.layer\.1\.\S+; get it again"),
    ],
    ids=["other names", "a layer less"],
)
def test_weights_that_are_missing_are_told_instead_of_made_at_random(copied, rename, said):
    keep_weights(copied, rename)
    with pytest.raises(BackboneError, match=rf"expected weights for all of BertModel, found none for {said}"):
        load_encoder(copied)


def test_weights_that_no_feature_depends_on_may_be_missing(encoder, copied):
    keep_weights(copied, lambda name: None if "pooler" in name else name)
    np.testing.assert_array_equal(replace(encoder, model=load_encoder(copied)).embed(TEXTS), encoder.embed(TEXTS))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_weights_kept_in_half_precision_are_computed_with_in_single_precision(copied, precision):
    import torch

    transformers.AutoModel.from_pretrained(copied, dtype=precision).save_pretrained(copied)
    for model in (load_encoder(copied), new_encoder(copied, 0)):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_tokenizer_that_cannot_pad(copied):
    for path in copied.glob("*token*"):
        raw = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({key: value for key, value in raw.items() if key != "pad_token"}), encoding="utf-8")
    config = json.loads((copied / "tokenizer_config.json").read_text(encoding="utf-8"))
    config |= {"tokenizer_class": "PreTrainedTokenizerFast"}
    (copied / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(BackboneError, match="expected a tokenizer with a pad token, found one without; name another backbone"):
        Text(max_tokens=16).load_processor(copied)


@pytest.mark.parametrize(("architecture", "words"), [("Bert", 19), ("Roberta", 17)])
def test_a_text_longer_than_the_backbone_has_positions_for(encoder, monkeypatch, architecture, words):
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=20
    )
    monkeypatch.setattr(encoder.processor, "model_max_length", 10**30)
    unlimited = replace(encoder, model=getattr(transformers, f"{architecture}Model")(config).eval(), modality=Text(max_tokens=64))
    with pytest.raises(BackboneError, match=rf"at most 20 tokens, .* found one of {words + 2}; lower data\.modality\.max_tokens"):
        unlimited.embed(["keel " * words])


def test_a_tokenizer_of_more_words_than_the_backbone_knows(encoder):
    encoder.processor.add_tokens(["capstan"])
    with pytest.raises(BackboneError, match=r"expected a tokenizer of at most 26 tokens, .* found token 26; put the tokenizer"):
        encoder.embed(["the keel", "the capstan"])


@pytest.mark.parametrize(
    ("architecture", "config", "said"),
    [
        ("Bert", {"vocab_size": 9}, "reads images, found BertModel, which reads input_ids; see backbone.name"),
        (
            "CLIP",
            {"text_config": {"vocab_size": 9}},
            "reads images alone, found CLIPModel, .* such as by CLIPVisionModel",
        ),
        (
            "SiglipVision",
            {"image_size": 32, "patch_size": 8},
            r"images of 3 x 16 x 16, .*size of tensor.*; see data\.modality\.side",
        ),
        ("DINOv3ViT", {"num_channels": 1, "patch_size": 8}, r"images of 3 x 16 x 16, .*1 channels, but got 3"),
    ],
)
def test_a_backbone_that_does_not_read_such_images_is_told_in_one_line(architecture, config, said):
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    halves = {half: config.get(half, {}) | small for half in ("text_config", "vision_config")} if architecture == "CLIP" else small
    model = getattr(transformers, f"{architecture}Model")(getattr(transformers, f"{architecture}Config")(**(config | halves)))
    modality = Image(side=16)
    with pytest.raises(BackboneError, match=said) as raised:
        Encoder(model.eval(), {}, modality, "mean", 2).embed(modality.probes())
    assert "\n" not in str(raised.value)


def test_a_text_without_a_token(encoder):
    from transformers import GPT2Config, GPT2Model

    encoder.processor.backend_tokenizer.post_processor = None
    decoder = GPT2Model(GPT2Config(vocab_size=26, n_embd=16, n_layer=1, n_head=2)).eval()
    with pytest.raises(BackboneError, match="expected texts of a token at least, found one of which its tokenizer makes none"):
        replace(encoder, model=decoder).embed([""])


@pytest.mark.parametrize(("architecture", "reads_padding"), [("ConvBert", True), ("FNet", True), ("Electra", False)])
def test_a_backbone_whose_answer_depends_on_the_texts_beside_is_refused_when_it_is_loaded(
    copied, tmp_path, architecture, reads_padding
):
    import torch

    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(
        vocab_size=26,
        embedding_size=16,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.3,
    )
    getattr(transformers, f"{architecture}Model")(config).save_pretrained(copied)
    source = bare_encoder(str(copied), Text(max_tokens=16), pooling="mean", batch_rows=2, cache_folder=tmp_path)
    if reads_padding:
        with pytest.raises(BackboneError, match=r"found that padding changes them by \d+%: \w+Model mixes it with tokens"):
            source.load()
    else:
        found = source.load()
        np.testing.assert_allclose(found.embed(TEXTS)[0], found.embed(TEXTS[:1])[0], atol=1e-5)


def test_a_folder_without_a_tokenizer(copied):
    for path in [*copied.glob("tokenizer*"), copied / "vocab.txt"]:
        path.unlink()
    with pytest.raises(BackboneError, match=r"expected a tokenizer .*, found none"):
        Text(max_tokens=16).load_processor(copied)


@pytest.mark.parametrize("load", [load_encoder, lambda folder: new_encoder(folder, 0)], ids=["loaded", "new"])
def test_a_gpu_is_told_to_convolve_as_a_cpu_does_when_a_backbone_is_placed(tiny_backbone, monkeypatch, load):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    load(tiny_backbone)
    assert not torch.backends.cudnn.allow_tf32


def test_a_copied_folder_has_the_same_hash_and_another_model_has_not(tiny_backbone, copied):
    (copied / "notes.md").write_text("not part of the model", encoding="utf-8")
    assert content_hash(copied) == content_hash(tiny_backbone)
    content_hash.cache_clear()
    (copied / "vocab.txt").write_text("[PAD]\n", encoding="utf-8")
    assert content_hash(copied) != content_hash(tiny_backbone)


def test_an_embedding_does_not_depend_on_what_else_is_in_the_batch(encoder):
    together = encoder.embed(TEXTS)
    alone = np.vstack([encoder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_rows_come_back_in_the_order_they_came(encoder):
    order = [3, 0, 4, 2, 1]
    np.testing.assert_allclose(encoder.embed([TEXTS[i] for i in order]), encoder.embed(TEXTS)[order], atol=1e-5)


def test_embeddings_are_the_mean_over_real_tokens(encoder):
    import torch

    tensors = encoder.processor(TEXTS[2], return_tensors="pt")
    with torch.no_grad():
        expected = encoder.model(**tensors).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(encoder.embed(TEXTS)[2], expected.numpy(), atol=1e-5)


def test_pooling_by_the_first_token_and_over_an_image():
    import torch

    hidden = torch.arange(12.0).reshape(1, 3, 4)
    answer = type("Answer", (), {})()
    answer.last_hidden_state = hidden
    assert pool(answer, torch.tensor([[1, 1, 0]]), "cls").tolist() == [[0.0, 1.0, 2.0, 3.0]]
    assert pool(answer, torch.tensor([[1, 1, 0]]), "mean").tolist() == [[2.0, 3.0, 4.0, 5.0]]
    answer.last_hidden_state = torch.arange(8.0).reshape(1, 2, 2, 2)
    assert pool(answer, None, "mean").tolist() == [[1.5, 5.5]]


def test_batches_hold_every_row_once_and_rows_of_like_length():
    lengths = np.array([5, 1, 9, 1, 7])
    found = [batch.tolist() for batch in batches(lengths, 2, tokens=None)]
    assert found == [[2, 4], [0, 1], [3]]
    assert list(batches(np.array([], dtype=np.int64), 2, tokens=None)) == []
    assert lengths.tolist() == [5, 1, 9, 1, 7]


def test_batches_hold_no_more_tokens_than_asked_for_but_a_row_at_least():
    lengths = np.array([5, 1, 90, 1, 7, 6])
    found = [batch.tolist() for batch in batches(lengths, 4, tokens=14)]
    assert found == [[2], [4, 5], [0, 1], [3]]


def test_only_a_cpu_computes_few_tokens_at_once():
    assert batch_tokens("cpu") == 1024
    assert batch_tokens("cuda") is None


def test_features_that_are_not_finite_are_an_error_that_says_which(encoder):
    import torch

    with torch.no_grad():
        encoder.model.embeddings.word_embeddings.weight[encoder.processor.convert_tokens_to_ids("crust")] = float("nan")
    with pytest.raises(DataError, match=r"features: expected finite features, found others in 1 of 5 rows, first row 3"):
        encoder.embed(TEXTS, "features")


def test_the_mean_over_all_layers_is_that_of_the_layers_pooled_one_by_one_without_the_embedding_layer(encoder):
    import torch

    tensors = encoder.processor(TEXTS[2], return_tensors="pt")
    with torch.no_grad():
        states = encoder.model(**tensors, output_hidden_states=True).hidden_states
    assert len(states) == 3
    expected = np.mean([state[0].mean(dim=0).numpy() for state in states[1:]], axis=0)
    found = encoder.embed_layers(TEXTS)
    np.testing.assert_allclose(found.layer_mean[2], expected, atol=1e-5)
    np.testing.assert_allclose(found.last, encoder.embed(TEXTS), atol=1e-6)


def test_the_mean_over_all_layers_does_not_depend_on_what_else_is_in_the_batch(encoder):
    alone = np.vstack([encoder.embed_layers([text]).layer_mean for text in TEXTS])
    np.testing.assert_allclose(encoder.embed_layers(TEXTS).layer_mean, alone, atol=1e-5)


def test_no_inputs_have_no_features(encoder):
    assert len(encoder.embed([])) == len(encoder.embed_layers([]).layer_mean) == 0


def test_the_mean_over_layers_of_the_first_token():
    import torch

    answer = SimpleNamespace(last_hidden_state=torch.zeros(1, 2, 2))
    answer.hidden_states = tuple(torch.full((1, 2, 2), value) for value in (9.0, 1.0, 2.0))
    assert pool_layers(answer, None, "cls").tolist() == [[1.5, 1.5]]


@pytest.mark.parametrize(
    ("last", "before"),
    [((1, 2, 3), []), ((1, 2, 3), [(1, 2, 3), (1, 2, 4)]), ((1, 3, 2, 2), [(1, 3, 4, 4), (1, 3, 2, 2)])],
    ids=["none", "other widths", "maps of an image"],
)
def test_where_layers_have_no_common_shape_the_last_stands_for_all(last, before):
    import torch

    torch.manual_seed(0)
    hidden = tuple(torch.randn(shape) for shape in before)
    answer = SimpleNamespace(last_hidden_state=torch.randn(last), hidden_states=hidden)
    assert pool_layers(answer, None, "mean").tolist() == pool(answer, None, "mean").tolist()


def test_a_backbone_that_shows_no_hidden_layers_gives_its_last():
    import torch

    class Plain(torch.nn.Module):
        device = "cpu"

        def forward(self, x):
            return SimpleNamespace(last_hidden_state=x)

    modality = SimpleNamespace(lengths=lambda inputs, _: np.ones(len(inputs)), tensors=lambda inputs, _: {"x": torch.stack(inputs)})
    found = Encoder(Plain(), None, modality, "mean", 2).embed_layers([torch.ones(2, 3), torch.zeros(2, 3)])
    np.testing.assert_array_equal(found.last, [[1, 1, 1], [0, 0, 0]])
    np.testing.assert_array_equal(found.layer_mean, found.last)


def test_a_label_that_is_no_class_is_named():
    np.testing.assert_array_equal(label_indices(["b", "a"], ["a", "b"]), [1, 0])
    with pytest.raises(DataError, match="expected labels among a, b, found 'c'"):
        label_indices(["a", "c"], ["a", "b"])


def test_rows_that_are_gone_are_named(tiny_data):
    Path("target-test.parquet").unlink()
    with pytest.raises(DataError, match=r"target-test\.parquet: expected the test rows of target, found nothing"):
        read_split(tiny_data.target, "test")
