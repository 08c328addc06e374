"""The model folder: what is registered, and how it is read.

::

    rootstock.json        labels, modality, pooling, base by name and content hash, adapters in order, temperature
    labels.json           id -> label
    head.safetensors      weight (c, d), bias (c); or head.lightgbm.txt, trees
    adapters/0-NAME/      peft adapters, merged into the base in this order
    backbone/             whole weights, instead of adapters, where the base itself was trained
    tokenizer files, training_rows.json (hashes of the inputs learned from)
    load.py, seal.json    a loader that needs no Rootstock; hashes of all these files, and answers to known inputs
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, ValidationError

from rootstock.backbone import add_adapters, content_hash, load_encoder, locate
from rootstock.boosted import BoostedHead
from rootstock.encoder import Encoder
from rootstock.errors import BackboneError, DataError
from rootstock.head import AnyHead, Head, log_probabilities
from rootstock.part import Modality, parse_part
from rootstock.records import Value, load_json
from rootstock.seal import SEAL_FILE, Sealed, check_seal
from rootstock.temperature import tempered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARD_FILE = "rootstock.json"
LABELS_FILE = "labels.json"
#: Kinds of heads, told by their file; a folder has one.
HEADS: tuple[type[AnyHead], ...] = (Head, BoostedHead)
TRAINING_ROWS_FILE = "training_rows.json"
FORMAT = 2
#: Without a temperature and without a seal.
FIRST_FORMAT = 1
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
    temperature: Annotated[float, Field(gt=0)]
    """by which the head's scores are divided"""


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
    if found not in (FIRST_FORMAT, FORMAT):
        raise DataError(f"{path}: expected format {FORMAT}, found {found}; use the version that wrote it")
    if found == FIRST_FORMAT:
        card = {"temperature": 1.0} | card
    try:
        valid = ModelCard.model_validate(card)
    except ValidationError as error:
        wrong = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise DataError(f"{path}: expected a model card, found a wrong or missing '{wrong}'; register the model again") from error
    if (valid.base.included and valid.adapters) or len(set(valid.adapters)) != len(valid.adapters):
        beside = ", beside weights that hold them" if valid.base.included else ""
        raise DataError(
            f"{path}: expected each adapter once, found {', '.join(valid.adapters)}{beside}: what was merged twice gives wrong "
            "answers; register the model again"
        )
    return valid


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
    head: AnyHead
    normalise: bool
    temperature: float = 1.0

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model folder.

        Raises DataError for a file that is missing, mismatched, or not what was sealed, BackboneError for a wrong base.
        """
        card = read_card(folder)
        if is_sealed(folder, card):
            check_seal(folder, sealed_facts(card))
        return cls.read(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a model folder whose seal was checked, or is still to be made."""
        card = read_card(folder)
        return cls(load_tuned_encoder(folder), card.labels, cls.load_head(folder), card.normalise, card.temperature)

    @staticmethod
    def load_head(folder: Path) -> AnyHead:
        """The head alone. Raises DataError if it is missing or has another number of classes."""
        expected = len(read_card(folder).labels)
        kind = next((kind for kind in HEADS if (folder / kind.file).is_file()), None)
        if kind is None:
            files = " or ".join(kind.file for kind in HEADS)
            raise DataError(f"{folder}: expected {files}, found none; the model is incomplete, register it again")
        head = kind.read(folder)
        if head.classes != expected:
            raise DataError(f"{folder / kind.file}: expected {expected} classes, found {head.classes}; register it again")
        return head

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

        return np.exp(tempered(log_probabilities(embeddings, self.head, normalise=self.normalise), self.temperature))


def is_sealed(folder: Path, card: ModelCard) -> bool:
    """Whether a model folder has a seal, or must have one."""
    return card.format != FIRST_FORMAT or (folder / SEAL_FILE).is_file()


def sealed_facts(card: ModelCard) -> Sealed:
    """What a seal says beside the hashes of files, so that a difference can be told in words."""
    return Sealed(
        labels=card.labels,
        base_sha256=card.base.sha256,
        adapters=card.adapters,
        included=card.base.included,
        temperature=card.temperature,
    )


def group_hash(group: str) -> str:
    """By which a group of rows (``data.columns.group``) is known among what a model learned from; never that of an input."""
    return f"group {hashlib.sha256(group.encode()).hexdigest()[:16]}"


def training_hashes(folder: Path) -> frozenset[str]:
    """Hashes of the inputs, and of the groups of rows, that a model learned from, of all its ancestors too."""
    path = folder / TRAINING_ROWS_FILE
    return frozenset(load_json(path)) if path.is_file() else frozenset()


def labels_json(labels: Sequence[str]) -> str:
    """``labels.json``: id -> label."""
    return json.dumps({str(i): label for i, label in enumerate(labels)}, ensure_ascii=False, indent=2) + "\n"
