"""What a text is to a backbone, to the classical baseline and to drift."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from pydantic import ValidationError
from rootstock.data import text as text_modality
from rootstock.data.text import Text
from rootstock.files import sha256_of


def test_texts_are_cut_and_padded_to_the_longest_of_the_batch(tiny_backbone):
    modality = Text(max_tokens=6)
    processor = modality.load_processor(tiny_backbone)
    found = modality.tensors(["keel", "keel mast hull sail anchor keel mast"], processor)
    assert found["input_ids"].shape == (2, 6)
    assert found["attention_mask"].sum(dim=1).tolist() == [3, 6]
    assert modality.tensors(["keel", "mast"], processor)["input_ids"].shape == (2, 3)


def test_the_limit_of_the_tokenizer_is_kept(tiny_backbone):
    modality = Text(max_tokens=500)
    assert modality.tensors(["keel " * 100], modality.load_processor(tiny_backbone))["input_ids"].shape == (1, 32)


@pytest.mark.parametrize("tokens", [0, 2, -1])
def test_a_limit_without_room_for_a_word_is_refused(tokens):
    with pytest.raises(ValidationError, match="greater than or equal to 3"):
        Text(max_tokens=tokens)


def test_lengths_are_tokens_up_to_the_limit(tiny_backbone):
    modality = Text(max_tokens=8)
    found = modality.lengths(["", "keel", "keel " * 100], modality.load_processor(tiny_backbone))
    np.testing.assert_array_equal(found, [2, 3, 8])


def test_a_text_is_read_once(tiny_backbone, monkeypatch):
    modality, reads = Text(max_tokens=8), []
    processor = modality.load_processor(tiny_backbone)
    read = type(processor).__call__
    monkeypatch.setattr(type(processor), "__call__", lambda self, texts, **more: reads.append(texts) or read(self, texts, **more))
    first = modality.tensors(["keel", "rye", "keel"], processor)
    again = modality.tensors(["rye", "keel"], processor)
    assert reads == [["keel", "rye"]]
    np.testing.assert_array_equal(again["input_ids"][1], first["input_ids"][0])


def test_many_characters_are_read_in_parts_and_no_more_texts_remembered_than_said_when_lengths_are_asked(
    tiny_backbone, monkeypatch
):
    modality, reads = Text(max_tokens=8), []
    processor = modality.load_processor(tiny_backbone)
    read = type(processor).__call__
    monkeypatch.setattr(type(processor), "__call__", lambda self, texts, **more: reads.append(texts) or read(self, texts, **more))
    monkeypatch.setattr(text_modality, "MOST_CHARACTERS", 40)
    monkeypatch.setattr(text_modality, "MOST_TEXTS", 10)
    texts = ["keel " * 20, *(f"keel {'mast ' * (number % 4)}{number}" for number in range(60))]
    found = modality.lengths(texts, processor)
    expected = [len(ids) for ids in read(processor, texts, truncation=True, max_length=8)["input_ids"]]
    np.testing.assert_array_equal(found, expected)
    assert all(len(part) == 1 or sum(map(len, part)) <= 40 for part in reads)
    assert [text for part in reads for text in part] == texts
    assert len(text_modality._READ[processor][8]) <= 10 + max(map(len, reads))


def test_what_is_padded_at_once_equals_what_was_read_before(tiny_backbone):
    modality = Text(max_tokens=8)
    processor = modality.load_processor(tiny_backbone)
    texts = ["keel rye star", "", "rye"]
    plain = processor(texts, truncation=True, max_length=8, padding=True, return_tensors="pt")
    found = modality.tensors(texts, processor)
    assert set(found) == set(plain)
    assert all((found[key] == plain[key]).all() for key in plain)


def test_surface_features_know_only_the_words_they_were_fitted_on():
    modality = Text(max_tokens=8)
    found = modality.surface_features(["red apple", "blue sky"], ["red sky", "green leaf"])
    assert found.shape == (2, 6)
    assert found[1].nnz == 0
    np.testing.assert_allclose(found[0].toarray()[found[0].toarray() > 0], np.sqrt(0.5))


def test_texts_without_two_letters_in_a_row_still_have_surface_features():
    found = Text(max_tokens=8).surface_features(["a", "?", "b b"], ["a", "c", ""])
    assert found.shape[0] == 3
    assert np.isfinite(found.toarray()).all()


def test_descriptors_by_hand():
    found = Text(max_tokens=8).descriptors(["Ab 12!", ""]).to_dict("records")
    assert found[0] == pytest.approx(
        {"characters": 6, "words": 2, "mean_word_characters": 2, "digit_share": 1 / 3, "capital_share": 1 / 6, "sign_share": 1 / 6}
    )
    assert set(found[1].values()) == {0.0}


def test_no_rows_have_the_same_columns():
    modality = Text(max_tokens=8)
    assert list(modality.descriptors([]).columns) == list(modality.descriptors(["a"]).columns)


def test_a_tokenizer_is_copied_with_what_only_the_config_of_the_backbone_says_of_it(tiny_backbone, tmp_path):
    """As many published folders do: the file of the tokenizer names neither its class nor its special tokens."""
    base = shutil.copytree(tiny_backbone, tmp_path / "base")
    settings = {"do_lower_case": True, "model_max_length": 32}
    (base / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    modality, copies = Text(max_tokens=8), [tmp_path / "first", tmp_path / "second"]
    for folder in copies:
        folder.mkdir()
        modality.copy_processor(base, folder)
    texts = ["keel", "Keel mast hull"]
    expected = modality.tensors(texts, modality.load_processor(base))
    found = modality.tensors(texts, modality.load_processor(copies[0]))
    assert {key: value.tolist() for key, value in found.items()} == {key: value.tolist() for key, value in expected.items()}
    assert sha256_of(copies[0]) == sha256_of(copies[1])
