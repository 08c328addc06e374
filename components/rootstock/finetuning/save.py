"""Write a fitted classifier as a model folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstock.backbone import content_hash, locate
from rootstock.classifier import (
    CARD_FILE,
    FORMAT,
    LABELS_FILE,
    TRAINING_ROWS_FILE,
    Base,
    ModelCard,
    group_hash,
    input_hash,
    labels_json,
    read_card,
    training_hashes,
)  # fmt: skip
from rootstock.files import new_folder, write_text
from rootstock.fingerprint import seal_model
from rootstock.part import Fitted, Modality
from rootstock.records import Artifact
from rootstock.reload import LOADER_FILE, loader_source


@dataclass(frozen=True)
class Lineage:
    """What a model stands on: the base backbone, and the model folder whose adapters came before, if any."""

    backbone: str
    pooling: str
    parent: Artifact | None


def save_model(
    folder: Path, fitted: Fitted, *, labels: Sequence[str], modality: Modality, lineage: Lineage, name: str, inputs: Sequence[Any],
    groups: Sequence[str] = (), temperature: float = 1.0,
) -> Artifact:  # fmt: skip
    """Write the folder atomically, seal it and name it.

    ``name`` is what the new adapter is called, ``inputs`` the rows learned from and ``groups`` what they belong to; at a
    ``temperature`` of 1 probabilities are the head's own.
    """
    parent = Path(lineage.parent.path) if lineage.parent else None
    base = locate(lineage.backbone)
    with new_folder(folder) as draft:
        card = _write_weights(draft, fitted, labels=labels, modality=modality, lineage=lineage, name=name, temperature=temperature)
        fitted.head.write(draft)
        modality.copy_processor(base, draft)
        known = training_hashes(parent) if parent else frozenset()
        learned = {*map(input_hash, inputs), *map(group_hash, groups)}
        write_text(draft / TRAINING_ROWS_FILE, json.dumps(sorted(known | learned)) + "\n")
        write_text(draft / LABELS_FILE, labels_json(labels))
        write_text(draft / CARD_FILE, card.model_dump_json(indent=2) + "\n")
        write_text(draft / LOADER_FILE, loader_source())
        seal_model(draft)
    return Artifact.of(folder)


def _tidy(adapter: Path) -> None:
    """The same training gives the same bytes: peft lists its modules in the order of a set, another one in every process."""
    (adapter / "README.md").unlink(missing_ok=True)  # peft's template, which says nothing
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(config.get("target_modules"), list):
        config["target_modules"].sort()
    write_text(path, json.dumps(config, indent=2, sort_keys=True) + "\n")


def _write_weights(
    draft: Path, fitted: Fitted, *, labels: Sequence[str], modality: Modality, lineage: Lineage, name: str, temperature: float
) -> ModelCard:
    parent = Path(lineage.parent.path) if lineage.parent else None
    before = read_card(parent) if parent else None
    adapters = list(before.adapters) if before else []
    included = bool(before and before.base.included)
    for adapter in adapters:
        shutil.copytree((parent or draft) / adapter, draft / adapter)
    model = fitted.encoder.model if fitted.encoder else None
    if model is not None and hasattr(model, "peft_config") and not included:
        adapters.append(f"adapters/{len(adapters)}-{name}")
        model.save_pretrained(draft / adapters[-1], safe_serialization=True)
        _tidy(draft / adapters[-1])
    elif model is not None:
        whole = model.merge_and_unload() if hasattr(model, "peft_config") else model
        whole.save_pretrained(draft / "backbone", safe_serialization=True)
        adapters, included = [], True
    elif included and parent:
        shutil.copytree(parent / "backbone", draft / "backbone")
    return ModelCard(
        format=FORMAT,
        labels=tuple(labels),
        modality=modality.model_dump(mode="json"),
        pooling=lineage.pooling,
        normalise=True,
        base=Base(name=lineage.backbone, sha256=content_hash(locate(lineage.backbone)), included=included),
        adapters=tuple(adapters),
        temperature=temperature,
    )
