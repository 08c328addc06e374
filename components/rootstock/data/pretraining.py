"""Rows of a source domain for training a backbone from nothing, and rows of it that say how well it was learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.data import registry
from rootstock.data.contamination import without_copies
from rootstock.data.prepare import check_modality, split_target
from rootstock.data.rows import label_counts
from rootstock.data.split import TEST, TRAIN, assign_splits, cap_rows
from rootstock.errors import DataError
from rootstock.params import DataParams
from rootstock.records import Contamination, DatasetRevision

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PretrainingRows:
    """What is learned and what is held out."""

    revision: DatasetRevision
    train: pd.DataFrame
    """columns ``input`` and ``label``"""
    heldout: pd.DataFrame
    labels: tuple[str, ...]
    licence: str | None
    target: DatasetRevision | None
    """whose test rows these were compared with; None where the registry holds no target"""
    contamination: Contamination | None


def pretraining_rows(source: str, *, data: DataParams, heldout: float, seed: int) -> PretrainingRows:
    """Rows of ``source`` (NAME or NAME/vN), a share ``heldout`` of each label kept apart unless the data declare a test split.

    Copies of the target's test rows are dropped, as from every source. Raises DataError for the target itself, an unknown data
    set, one of another modality, and one that has not two classes to learn and rows to hold out.
    """
    path = Path(data.registry)
    name = source.partition("/")[0]
    if name == data.target:
        raise DataError(
            f"expected a source to pretrain on, found '{name}', the target (data.target): its test rows must not be learned; "
            "name another dataset"
        )
    revision = registry.resolve(path, name, source if "/" in source else registry.LATEST)
    card = registry.read_card(path, revision)
    check_modality(card, revision, data)
    frame = registry.read_rows(path, revision).sort_values("id", ignore_index=True)
    clean, contamination, target = frame[frame["label"] != ""], None, None
    if data.target in registry.list_versions(path):
        target = registry.resolve(path, data.target, data.revision)
        rows, sides = split_target(path, target, data=data, seed=seed)
        is_tested = TRAIN if data.test_fraction is None else TEST
        tested = rows["input"][[side == is_tested for side in sides]].tolist()
        clean, contamination = without_copies(clean, tested, similarity=data.contamination_similarity)
    kept = cap_rows(clean, seed=seed, rows=data.source_rows)
    splits = assign_splits(kept, seed=seed, test_fraction=heldout, test_rows=None, rows_per_class=None)
    train, test = (kept[[split == wanted for split in splits]] for wanted in (TRAIN, TEST))
    labels = tuple(label_counts(train))
    test = test[test["label"].isin(labels)]
    if len(labels) < 2 or len(test) == 0:
        raise DataError(
            f"{revision.revision}: expected two labels to learn and rows to hold out, found {len(labels)} labels in {len(train)} "
            f"rows and {len(test)} held out; add rows or name another dataset"
        )
    return PretrainingRows(revision, train, test, labels, card.get("licence"), target, contamination)
