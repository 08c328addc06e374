"""Padding of texts: what the tokenizer itself gives."""

from __future__ import annotations

import pytest
import torch
from rootstock.data.text import Text

TEXTS = ["keel", "a mast and a sail and the wind", "", "rye bread"]
MODALITY = Text(max_tokens=8)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]])
def test_tensors_are_those_of_the_tokenizers_own_padding(tiny_backbone, side, texts):
    tokenizer = MODALITY.load_processor(tiny_backbone)
    tokenizer.padding_side = side
    found = MODALITY.tensors(texts, tokenizer)
    expected = dict(tokenizer(texts, truncation=True, max_length=8, padding=True, return_tensors="pt"))
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) and found[key].dtype == expected[key].dtype for key in expected)


def test_what_the_tokenizer_has_no_padding_for_is_left_to_it(tiny_backbone):
    tokenizer = MODALITY.load_processor(tiny_backbone)
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match="pad"):
        MODALITY.tensors(TEXTS, tokenizer)
