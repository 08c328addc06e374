"""Backbones: found, hashed, loaded and used on a real tiny BERT."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rootstock.backbone import Encoder, batches, content_hash, embed_cached, load_encoder, locate, pool
from rootstock.data.text import Text
from rootstock.errors import BackboneError, DataError
from rootstock.rows import bare_encoder, label_indices, read_split

TEXTS = ["the keel of a mast", "dough", "a nova near the old moon of orbit", "crust", "hull hull hull hull hull hull"]


@pytest.fixture
def encoder(tiny_backbone: Path) -> Encoder:
    modality = Text(max_tokens=16)
    return Encoder(load_encoder(tiny_backbone), modality.load_processor(tiny_backbone), modality, "mean", 2)


@pytest.fixture
def copied(tiny_backbone: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_backbone, tmp_path / "copied"))


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


def test_a_folder_without_a_tokenizer(copied):
    for path in [*copied.glob("tokenizer*"), copied / "vocab.txt"]:
        path.unlink()
    with pytest.raises(BackboneError, match=r"expected a tokenizer .*, found none"):
        Text(max_tokens=16).load_processor(copied)


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
    found = [batch.tolist() for batch in batches(lengths, 2)]
    assert found == [[1, 3], [0, 4], [2]]
    assert list(batches(np.array([], dtype=np.int64), 2)) == []


def test_features_that_are_not_finite_are_an_error_that_says_which(encoder):
    import torch

    with torch.no_grad():
        encoder.model.embeddings.word_embeddings.weight[encoder.processor.convert_tokens_to_ids("crust")] = float("nan")
    with pytest.raises(DataError, match=r"features: expected finite features, found others in 1 of 5 rows, first row 3"):
        encoder.embed(TEXTS, "features")


def test_features_are_computed_once(encoder, tmp_path, monkeypatch):
    first = embed_cached(encoder, TEXTS, key="k", cache_folder=tmp_path, label="x")
    monkeypatch.setattr(Encoder, "embed", lambda *_: pytest.fail("computed again"))
    np.testing.assert_array_equal(embed_cached(encoder, TEXTS, key="k", cache_folder=tmp_path, label="x"), first)


def test_kept_features_of_another_number_of_rows_are_not_used(encoder, tmp_path):
    embed_cached(encoder, TEXTS[:3], key="k", cache_folder=tmp_path, label="x")
    assert embed_cached(encoder, TEXTS, key="k", cache_folder=tmp_path, label="x").shape == (5, 16)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array"])
def test_a_damaged_file_of_features_is_made_again(encoder, tmp_path, content):
    first = embed_cached(encoder, TEXTS, key="k", cache_folder=tmp_path, label="x")
    (tmp_path / "k.npy").write_bytes(content)
    np.testing.assert_array_equal(embed_cached(encoder, TEXTS, key="k", cache_folder=tmp_path, label="x"), first)


def test_features_are_kept_by_content_of_backbone_and_rows(tiny_backbone, copied, tmp_path, monkeypatch):
    def source(folder: Path, max_tokens: int = 16):
        modality = Text(max_tokens=max_tokens)
        return bare_encoder(str(folder), modality, pooling="mean", batch_rows=8, cache_folder=tmp_path / "features")

    source(tiny_backbone).embed(TEXTS, rows_sha256="one", label="x")
    computed: list[int] = []
    embed = Encoder.embed
    monkeypatch.setattr(Encoder, "embed", lambda self, inputs, label: computed.append(len(inputs)) or embed(self, inputs, label))
    source(copied).embed(TEXTS, rows_sha256="one", label="x")
    assert computed == []
    source(tiny_backbone).embed(TEXTS, rows_sha256="two", label="x")
    source(tiny_backbone, max_tokens=4).embed(TEXTS, rows_sha256="one", label="x")
    assert computed == [5, 5]


def test_a_label_that_is_no_class_is_named():
    np.testing.assert_array_equal(label_indices(["b", "a"], ["a", "b"]), [1, 0])
    with pytest.raises(DataError, match="expected labels among a, b, found 'c'"):
        label_indices(["a", "c"], ["a", "b"])


def test_rows_that_are_gone_are_named(tiny_data):
    Path("target-test.parquet").unlink()
    with pytest.raises(DataError, match=r"target-test\.parquet: expected the test rows of target, found nothing"):
        read_split(tiny_data.target, "test")
