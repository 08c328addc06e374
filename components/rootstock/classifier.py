"""The model folder: what is registered, and how it is read.

::

    rootstock.json        labels, modality, pooling, base by name and content hash, adapters in order
    labels.json           id -> label
    head.safetensors      weight (c, d), bias (c)
    adapters/0-NAME/      peft adapters, merged into the base in this order
    backbone/             whole weights, instead of adapters, where the base itself was trained
    tokenizer files, training_rows.json (hashes of the inputs learned from)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from rootstock.backbone import Encoder, add_adapters, content_hash, load_encoder, locate
from rootstock.errors import BackboneError, DataError
from rootstock.head import Head, log_probabilities
from rootstock.part import Modality, parse_part
from rootstock.records import Value, load_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARD_FILE = "rootstock.json"
LABELS_FILE = "labels.json"
HEAD_FILE = "head.safetensors"
TRAINING_ROWS_FILE = "training_rows.json"
FORMAT = 1
BATCH_ROWS = 64


class Base(Value):
    """The pretrained model underneath, by content."""

    name: str
    sha256: str
    included: bool
    """whether its weights, trained on, stand in ``backbone/``"""


class ModelCard(Value):
    """``rootstock.json``."""

    format: int
    labels: tuple[str, ...]
    modality: dict[str, Any]
    pooling: str
    normalise: bool
    base: Base
    adapters: tuple[str, ...]


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of n rows."""

    probabilities: NDArray[np.float64]
    """(n, c)"""
    embeddings: NDArray[np.float64]
    """(n, d)"""


def input_hash(value: Any) -> str:
    """A short name for an input's content: the same text or image has the same one in any data set."""
    data = value if isinstance(value, bytes) else " ".join(value.split()).casefold().encode()
    return hashlib.sha256(data).hexdigest()[:16]


def read_card(folder: Path) -> ModelCard:
    """``rootstock.json`` of a model folder. Raises DataError if it is missing or of another format."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise DataError(f"{folder}: expected a model folder with {CARD_FILE}, found none; name a folder that Rootstock saved")
    card = load_json(path)
    found = card.get("format") if isinstance(card, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: expected format {FORMAT}, found {found}; use the version that wrote it")
    try:
        return ModelCard.model_validate(card)
    except ValidationError as error:
        wrong = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise DataError(f"{path}: expected a model card, found a wrong or missing '{wrong}'; register the model again") from error


def load_tuned_encoder(folder: Path, batch_rows: int = BATCH_ROWS) -> Encoder:
    """The backbone of a model folder with its adapters merged in.

    Raises BackboneError if the base found under its name is not the one that was trained on.
    """
    card = read_card(folder)
    modality = parse_part(Modality, card.modality)  # type: ignore[type-abstract]
    if card.base.included:
        model = load_encoder(folder / "backbone")
    else:
        base = locate(card.base.name)
        found = content_hash(base)
        if found != card.base.sha256:
            raise BackboneError(
                f"{folder}: expected base {card.base.name} with sha256 {card.base.sha256[:12]}, found {found[:12]}; "
                "put the original base back: an adapter on another base gives wrong answers"
            )
        model = add_adapters(load_encoder(base), [folder / name for name in card.adapters])
    return Encoder(model, modality.load_processor(folder), modality, card.pooling, batch_rows)


@dataclass(frozen=True)
class Classifier:
    """A model folder, loaded."""

    encoder: Encoder
    labels: tuple[str, ...]
    head: Head
    normalise: bool

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder. Raises DataError for a missing or mismatched head, BackboneError for a wrong base."""
        card = read_card(folder)
        return cls(load_tuned_encoder(folder), card.labels, cls.load_head(folder), card.normalise)

    @staticmethod
    def load_head(folder: Path) -> Head:
        """The head alone. Raises DataError if it is missing or has another number of classes."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path, expected = folder / HEAD_FILE, len(read_card(folder).labels)
        if not path.is_file():
            raise DataError(f"{folder}: expected {HEAD_FILE}, found none; the model is incomplete, register it again")
        try:
            head = load_file(path)
            weight, bias = head["weight"].astype("float64"), head["bias"].astype("float64")
        except (SafetensorError, KeyError) as error:
            raise DataError(f"{path}: expected a weight and a bias, found {error}; register the model again") from error
        if not len(weight) == len(bias) == expected:
            raise DataError(f"{path}: expected {expected} classes, found {len(weight)}; register it again")
        return Head(weight, bias)

    @property
    def modality(self) -> Modality:
        """How inputs are read."""
        return self.encoder.modality

    def predict(self, inputs: Sequence[Any]) -> Prediction:
        """Probabilities (n, c) and embeddings (n, d) of n inputs."""
        embeddings = self.encoder.embed(inputs, "predicting")
        return Prediction(self.probabilities_of(embeddings), embeddings)

    def probabilities_of(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, c) from embeddings (n, d)."""
        import numpy as np

        return np.exp(log_probabilities(embeddings, self.head, normalise=self.normalise))


def training_hashes(folder: Path) -> frozenset[str]:
    """Hashes of the inputs a model learned from, of all its ancestors too."""
    path = folder / TRAINING_ROWS_FILE
    return frozenset(load_json(path)) if path.is_file() else frozenset()


def labels_json(labels: Sequence[str]) -> str:
    """``labels.json``: id -> label."""
    return json.dumps({str(i): label for i, label in enumerate(labels)}, ensure_ascii=False, indent=2) + "\n"
