"""What lies beside the weights in every format: labels, settings and the loader; and what reads the inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rootstock.classifier import LABELS_FILE, Classifier, labels_json
from rootstock.encoder import Encoder
from rootstock.errors import BackboneError
from rootstock.reload import LOADER_FILE

SETTINGS_FILE = "classifier.json"
TOKENIZER_FILE = "tokenizer.json"


def write_contents(classifier: Classifier, folder: Path) -> None:
    """Write ``labels.json``, ``classifier.json`` (all that the loader must know) and ``load.py``."""
    (folder / LABELS_FILE).write_text(labels_json(classifier.labels), encoding="utf-8")
    (folder / SETTINGS_FILE).write_text(json.dumps(settings(classifier), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (folder / LOADER_FILE).write_text(Path(__file__).with_name("loader.py").read_text(encoding="utf-8"), encoding="utf-8")


def settings(classifier: Classifier) -> dict[str, Any]:
    """Labels, how inputs are read, and what stands between encoder and head."""
    modality, encoder = classifier.modality.model_dump(mode="json"), classifier.encoder
    shared = {
        "labels": list(classifier.labels),
        "modality": modality["name"],
        "pooling": encoder.pooling,
        "normalise": classifier.normalise,
        "temperature": classifier.temperature,
    }
    if modality["name"] == "image":
        plain = encoder.processor if isinstance(encoder.processor, dict) else {}
        scales = {name: plain.get(name, [0.5] * 3) for name in ("image_mean", "image_std")}
        return shared | {"side": modality["side"], "published_processor": plain is not encoder.processor} | scales
    return shared | {"max_tokens": token_limit(encoder)}


def token_limit(encoder: Encoder) -> int:
    """Tokens after which a text is cut."""
    return int(min(encoder.modality.model_dump()["max_tokens"], encoder.processor.model_max_length))


def write_reader(encoder: Encoder, folder: Path) -> None:
    """What a graph needs to read inputs: ``tokenizer.json``, or the settings of a published image processor."""
    if encoder.modality.name == "text":
        write_tokenizer(encoder, folder)
    elif not isinstance(encoder.processor, dict):
        encoder.processor.save_pretrained(folder)


def write_tokenizer(encoder: Encoder, folder: Path) -> None:
    """``tokenizer.json`` that cuts and pads by itself, so that no other file has to be read.

    Raises BackboneError if the tokenizer runs in Python only, and no such file can be written.
    """
    from tokenizers import Tokenizer

    tokenizer = encoder.processor
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise BackboneError(
            f"expected a tokenizer that can be written as {TOKENIZER_FILE}, found {type(tokenizer).__name__}, which runs in Python "
            "only; export --format merged, or take a backbone with a fast tokenizer"
        )
    alone = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    alone.enable_truncation(max_length=token_limit(encoder), direction=tokenizer.truncation_side)
    alone.enable_padding(direction=tokenizer.padding_side, pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    alone.save(str(folder / TOKENIZER_FILE))
