"""The seal of a model folder: what it held when it was saved, so that any loading can tell whether it still does.

``seal.json`` holds the sha256 of every file, the few facts that decide what the answers mean, and the model's answers to inputs
that come from no data set. Files beside those sealed are let be as long as nothing reads them as a part of the model.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rootstock.errors import DataError
from rootstock.files import sha256_of, write_text
from rootstock.records import Value, load_json

SEAL_FILE = "seal.json"
#: What tells a tokenizer or an image processor from the other files.
PROCESSOR_STARTS = ("tokenizer", "vocab", "merges", "special_tokens_map", "spiece", "added_tokens", "preprocessor_config")
#: Where a file that was added later would be taken for a part of the model.
READ_STARTS = (*PROCESSOR_STARTS, "adapters/", "backbone/", "head.")
MEND = "get the model again from the registry, or train it again"


class Sealed(Value):
    """What decides how answers are to be read."""

    labels: tuple[str, ...]
    base_sha256: str
    adapters: tuple[str, ...]
    included: bool
    """whether the base's own weights were trained, and stand in the folder"""
    temperature: float


class Seal(Value):
    """``seal.json``."""

    facts: Sealed
    files: dict[str, str]
    """relative name -> sha256"""
    probes: tuple[str | dict[str, str], ...]
    """texts, or the bytes of images as ``{"base64": ...}``"""
    answers: tuple[tuple[float, ...], ...]
    """probabilities of each probe, in the order of the labels"""

    @property
    def inputs(self) -> list[Any]:
        """The probes as a classifier takes them."""
        return [base64.b64decode(probe["base64"]) if isinstance(probe, dict) else probe for probe in self.probes]


def write_seal(folder: Path, facts: Sealed, *, probes: Sequence[Any], answers: Sequence[Sequence[float]]) -> None:
    """Seal a folder whose other files are all written; ``answers`` are the model's to ``probes``."""
    seal = Seal(
        facts=facts,
        files={name: sha256_of(folder / name) for name in _files(folder)},
        probes=tuple({"base64": base64.b64encode(each).decode()} if isinstance(each, bytes) else each for each in probes),
        answers=tuple(tuple(round(float(p), 7) for p in row) for row in answers),
    )
    write_text(folder / SEAL_FILE, json.dumps(seal.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")


def read_seal(folder: Path) -> Seal:
    """``seal.json`` of a model folder. Raises DataError if it is missing or none."""
    path = folder / SEAL_FILE
    if not path.is_file():
        raise DataError(f"{folder}: expected {SEAL_FILE}, found none; the model is incomplete: {MEND}")
    try:
        return Seal.model_validate(load_json(path))
    except ValidationError as error:
        wrong = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise DataError(f"{path}: expected a seal, found a wrong or missing '{wrong}'; {MEND}") from error


def check_seal(folder: Path, facts: Sealed) -> Seal:
    """Compare a model folder, whose card says ``facts``, with its seal, and give the seal.

    Raises DataError with the first reason found, what is missing before what is otherwise, facts before bytes.
    """
    seal = read_seal(folder)
    present = _files(folder)
    if missing := sorted(set(seal.files) - set(present)):
        more = f" ({len(missing)} files are missing)" if len(missing) > 1 else ""
        raise DataError(f"{folder}: expected {missing[0]}, found none{more}; the model is incomplete: {MEND}")
    _check_facts(folder, seal.facts, facts)
    for name in sorted(seal.files, key=lambda name: not name.startswith(PROCESSOR_STARTS)):
        if (found := sha256_of(folder / name)) != seal.files[name]:
            is_reader = name.startswith(PROCESSOR_STARTS)
            what = "the tokenizer or image processor that the model was trained with" if is_reader else "the file"
            wanted = f"{what} with sha256 {seal.files[name][:12]}, as it was sealed"
            raise DataError(f"{folder / name}: expected {wanted}, found {found[:12]}; {MEND}")
    if added := sorted(name for name in set(present) - set(seal.files) if name.startswith(READ_STARTS)):
        raise DataError(f"{folder / added[0]}: expected no file that was not sealed, found one that a loader may read; remove it")
    return seal


def _check_facts(folder: Path, sealed: Sealed, found: Sealed) -> None:
    named = {
        "labels": "the labels in the order",
        "base_sha256": "adapters on the base with sha256",
        "adapters": "each adapter merged once, in the order",
        "included": "weights of its own to be",
        "temperature": "the temperature",
    }
    for name, what in named.items():
        wanted, other = getattr(sealed, name), getattr(found, name)
        if wanted != other:
            raise DataError(f"{folder}: expected {what} {_shown(wanted)}, as it was sealed, found {_shown(other)}; {MEND}")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else value[:12] if isinstance(value, str) else str(value)


def _files(folder: Path) -> tuple[str, ...]:
    """Every file of a folder but the seal, by its name relative to it."""
    inner = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple(name for name in inner if name != SEAL_FILE and "__pycache__" not in name)
