"""The merged model: backbone and adapters as one set of fp32 weights that plain transformers reads."""

from __future__ import annotations

import json
from pathlib import Path

from rootstock.classifier import Classifier

PREPROCESSOR_FILE = "preprocessor_config.json"


def write_merged(classifier: Classifier, folder: Path) -> None:
    """``model.safetensors`` and ``config.json`` for ``AutoModel.from_pretrained``, head, and tokenizer or preprocessor files."""
    encoder = classifier.encoder
    encoder.model.save_pretrained(folder, safe_serialization=True)
    classifier.head.write(folder)
    if not isinstance(encoder.processor, dict):
        encoder.processor.save_pretrained(folder)
    elif encoder.processor:
        (folder / PREPROCESSOR_FILE).write_text(json.dumps(encoder.processor, indent=2) + "\n", encoding="utf-8")
