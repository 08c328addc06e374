"""Features kept on disk: computed once, small, and exact enough."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from rootstock import kept_features
from rootstock.backbone import load_encoder
from rootstock.data.text import Text
from rootstock.encoder import Encoder, Features
from rootstock.kept_features import embed_cached
from rootstock.rows import bare_encoder

TEXTS = ["the keel of a mast", "dough", "a nova near the old moon of orbit", "crust", "hull hull hull hull hull hull"]


@pytest.fixture
def encoder(tiny_backbone: Path) -> Encoder:
    modality = Text(max_tokens=16)
    return Encoder(load_encoder(tiny_backbone), modality.load_processor(tiny_backbone), modality, "mean", 2)


@pytest.fixture
def kept(encoder, tmp_path):
    """Gives the features of inputs, kept in a folder, and the files there."""

    def embed(inputs=TEXTS, rows: str = "rows"):
        return embed_cached(lambda: encoder, inputs, key=["encoder", rows], cache_folder=tmp_path / "kept", label="x")

    embed.files = lambda: sorted((tmp_path / "kept").glob("*"))
    return embed


def test_features_are_computed_once_in_one_pass(kept, encoder, monkeypatch):
    first = kept()
    monkeypatch.setattr(Encoder, "embed_layers", lambda *_: pytest.fail("computed again"))
    again = kept()
    np.testing.assert_array_equal(again.last, first.last)
    np.testing.assert_array_equal(again.layer_mean, first.layer_mean)
    np.testing.assert_allclose(first.last, encoder.embed(TEXTS), rtol=2e-3, atol=2e-3)


def test_features_are_kept_in_half_precision_and_computed_on_in_double(kept):
    found = kept()
    assert [np.load(path, mmap_mode="r").dtype for path in kept.files()] == [np.float16] * 2
    assert found.last.dtype == found.layer_mean.dtype == np.float64


@pytest.mark.parametrize("scale", [1e6, 1e-7], ids=["too large", "too small"])
def test_features_that_half_precision_cannot_hold_are_kept_in_single(kept, encoder, monkeypatch, scale):
    plain = encoder.embed_layers(TEXTS)
    monkeypatch.setattr(Encoder, "embed_layers", lambda *_: Features(plain.last * scale, plain.layer_mean))
    found = kept()
    assert sorted(str(np.load(path, mmap_mode="r").dtype) for path in kept.files()) == ["float16", "float32"]
    np.testing.assert_allclose(found.last, plain.last * scale, rtol=1e-6)


def test_kept_features_of_another_number_of_rows_are_not_used(kept):
    kept(TEXTS[:3])
    assert kept().last.shape == (5, 16)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array", None], ids=["empty", "head", "text", "cut"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_file_of_features_is_made_again(kept, content, place):
    first = kept()
    damaged = kept.files()[place]
    damaged.write_bytes(damaged.read_bytes()[:-7] if content is None else content)
    again = kept()
    np.testing.assert_array_equal(again.last, first.last)
    np.testing.assert_array_equal(again.layer_mean, first.layer_mean)


def test_rows_embedded_before_a_kill_are_not_embedded_again_when_they_are_many(kept, monkeypatch):
    whole = kept(rows="whole")
    monkeypatch.setattr(kept_features, "PART_ROWS", 2)
    embedded, embed = [], Encoder.embed_layers

    def cut(self, inputs, label):
        embedded.append(inputs)
        if len(embedded) == 2:
            raise KeyboardInterrupt
        return embed(self, inputs, label)

    monkeypatch.setattr(Encoder, "embed_layers", cut)
    with pytest.raises(KeyboardInterrupt):
        kept(rows="parts")
    found = kept(rows="parts")
    assert embedded == [TEXTS[:2], TEXTS[2:4], TEXTS[2:4], TEXTS[4:]]
    np.testing.assert_allclose(found.last, whole.last, atol=2e-3)
    np.testing.assert_allclose(found.layer_mean, whole.layer_mean, atol=2e-3)
    assert [np.load(path, mmap_mode="r").dtype for path in kept.files()] == [np.float16] * 4


def test_features_are_kept_by_content_of_backbone_and_rows(tiny_backbone, tmp_path, monkeypatch):
    copied = Path(shutil.copytree(tiny_backbone, tmp_path / "copied"))

    def source(folder: Path, max_tokens: int = 16):
        modality = Text(max_tokens=max_tokens)
        return bare_encoder(str(folder), modality, pooling="mean", batch_rows=8, cache_folder=tmp_path / "features")

    source(tiny_backbone).embed(TEXTS, rows_sha256="one", label="x")
    computed: list[int] = []
    embed = Encoder.embed_layers
    monkeypatch.setattr(
        Encoder, "embed_layers", lambda self, inputs, label: computed.append(len(inputs)) or embed(self, inputs, label)
    )
    source(copied).embed(TEXTS, rows_sha256="one", label="x")
    assert computed == []
    source(tiny_backbone).embed(TEXTS, rows_sha256="two", label="x")
    source(tiny_backbone, max_tokens=4).embed(TEXTS, rows_sha256="one", label="x")
    assert computed == [5, 5]


def test_rows_of_a_data_set_have_both_features_and_their_labels(tiny_backbone, tiny_data, tmp_path):
    source = bare_encoder(str(tiny_backbone), Text(max_tokens=16), pooling="mean", batch_rows=8, cache_folder=tmp_path / "f")
    rows = source.rows(tiny_data.target, "train")
    assert rows.features.shape == rows.layer_mean.shape == (18, 16)
    assert not np.allclose(rows.features, rows.layer_mean)
    np.testing.assert_allclose(rows.layer_mean, source.load().embed_layers(rows.inputs).layer_mean, rtol=2e-3, atol=2e-3)
