"""Small backbones with random weights, to be trained where no pretrained one is at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rootstock.backbone import LOADING
from rootstock.errors import BackboneError, InputError, unknown_name
from rootstock.files import write_text

#: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, cut down to 32 x 32 pixels.
SMALL_RESNET = {
    "num_channels": 3,
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 64],
    "depths": [1, 1, 1],
    "layer_type": "basic",
    "downsample_in_first_stage": False,
}
#: Zagoruyko and Komodakis, "Wide residual networks", BMVC 2016: the same, four times as wide.
WIDE_RESNET = SMALL_RESNET | {"embedding_size": 64, "hidden_sizes": [64, 128, 256]}
PREPROCESSOR = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": 32, "width": 32}}
#: The smallest of Turc, Chang, Lee and Toutanova, "Well-read students learn better", arXiv 1908.08962.
SMALL_BERT = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 512}
TOKENIZER_FILES = ("tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "spiece.model")


def write_small_resnet(folder: Path, seed: int, tokenizer: Path | None = None) -> None:
    """A residual network of three stages, 79,312 weights, and its preprocessor file; it reads images."""
    _write_resnet(folder, seed, SMALL_RESNET)


def write_wide_resnet(folder: Path, seed: int, tokenizer: Path | None = None) -> None:
    """A residual network of three stages, 1,232,704 weights, and its preprocessor file; it reads images.

    Training a row takes some five times as long as with the small one; on digits it is more accurate, warm and from scratch.
    """
    _write_resnet(folder, seed, WIDE_RESNET)


def _write_resnet(folder: Path, seed: int, config: dict[str, Any]) -> None:
    import torch
    from transformers import ResNetConfig, ResNetModel

    with LOADING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ResNetModel(ResNetConfig(**config)).save_pretrained(folder, safe_serialization=True)
    write_text(folder / "preprocessor_config.json", json.dumps(PREPROCESSOR, indent=2) + "\n")


def write_small_bert(folder: Path, seed: int, tokenizer: Path | None = None) -> None:
    """A transformer of two layers with the tokenizer of the backbone in folder ``tokenizer``; it reads texts.

    Raises BackboneError if there is no tokenizer.
    """
    import torch
    from transformers import AutoTokenizer, BertConfig, BertModel

    if tokenizer is None or not any(path for pattern in TOKENIZER_FILES for path in tokenizer.glob(pattern)):
        raise BackboneError(f"backbone {tokenizer}: expected a tokenizer, found none; name a text backbone in backbone.name")
    words = AutoTokenizer.from_pretrained(tokenizer)
    words.save_pretrained(folder)
    config = BertConfig(**SMALL_BERT, vocab_size=len(words), pad_token_id=words.pad_token_id or 0)  # type: ignore[arg-type]
    with LOADING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        BertModel(config, add_pooling_layer=False).save_pretrained(folder, safe_serialization=True)


#: modality -> architecture -> what writes it: folder, seed, folder of the tokenizer.
ARCHITECTURES: dict[str, dict[str, Callable[[Path, int, Path | None], None]]] = {
    "image": {"small-resnet": write_small_resnet, "wide-resnet": write_wide_resnet},
    "text": {"small-bert": write_small_bert},
}


def writer(architecture: str | None, *, modality: str) -> tuple[str, Callable[[Path, int, Path | None], None]]:
    """Name and writer of an architecture that reads this modality, the first if none is named. Raises InputError for others."""
    known = ARCHITECTURES[modality]
    name = architecture or next(iter(known))
    if name not in known:
        raise InputError(f"--architecture: {unknown_name(f'architecture for data of modality {modality}', name, known)}")
    return name, known[name]
