"""The second stage: rows of the pinned revisions, cut into splits and written where every later stage reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data import registry
from rootstock.data.contamination import without_copies
from rootstock.data.newest_split import read_times
from rootstock.data.rows import label_counts, write_rows
from rootstock.data.split import TEST, TRAIN, UNUSED, assign_splits, cap_rows
from rootstock.errors import DataError, unknown_name
from rootstock.files import sha256_of, write_file
from rootstock.groups import group_names
from rootstock.params import DataParams
from rootstock.records import (
    CHOSEN,
    GROUP,
    KEPT,
    TIME,
    Contamination,
    Dataset,
    DatasetRevision,
    PreparedData,
    Resolution,
    RowsFile,
    kept_columns,
)

if TYPE_CHECKING:
    import pandas as pd


def prepare(resolution: Resolution, *, data: DataParams, seed: int, folder: Path) -> PreparedData:
    """Cut the target into ``train``, ``test`` and ``unused`` (see split.py), cap the sources, and write a Parquet file a split.

    ``data.renamed_labels`` renames labels of the target, and then ``data.labels`` selects some; sources keep all of theirs. With
    ``data.test_fraction: null`` there is no test split, and the labelled rows are those tested on. Source rows that are copies of
    the target's rows, tested on or learned from, are dropped (see contamination.py). The result does not depend on the order of
    rows. A source that cannot be used is named with its reason in ``unusable_sources``. Raises DataError if the target has another
    modality than ``data.modality`` or lacks a column of ``data.columns.kept``, a label is unknown, or a class lacks rows.
    """
    if resolution.target.dataset in {source.dataset for source in resolution.sources}:
        raise DataError(f"data.sources: expected other datasets than the target, found '{resolution.target.dataset}'; remove it")
    path = Path(resolution.registry)
    target, inputs = _target(path, resolution.target, data=data, seed=seed, folder=folder)
    sources: list[Dataset] = []
    unusable: dict[str, str] = {}
    for revision in resolution.sources:
        source = _source(path, revision, inputs, data=data, seed=seed, folder=folder)
        if isinstance(source, str):
            unusable[revision.dataset] = source
        else:
            sources.append(source)
    return PreparedData(target=target, sources=tuple(sources), unusable_sources=unusable)


def _rows(path: Path, revision: DatasetRevision) -> pd.DataFrame:
    return registry.read_rows(path, revision).sort_values("id", ignore_index=True)


def split_target(path: Path, revision: DatasetRevision, *, data: DataParams, seed: int) -> tuple[pd.DataFrame, list[str]]:
    """The target's rows with ``data.labels``, and ``train``, ``test`` or ``unused`` for each. Raises DataError as ``prepare``."""
    check_modality(registry.read_card(path, revision), revision, data)
    renamed = _renamed(_rows(path, revision), revision, data.renamed_labels)
    kept = _with_groups(_with_labels(renamed, revision, data.labels), revision, data.columns.group)
    kept = _with_times(kept, revision, data.columns.time)
    if data.test_fraction is None and (declared := int((kept["split"] == TEST).sum())):
        raise DataError(
            f"{revision.revision}: expected no declared test rows where data.test_fraction is null, found {declared}; give a "
            "data.test_fraction and evaluation.rows: held_out to be tested on them, or add the data with data.columns.split: null"
        )
    if data.test_fraction is None and (chosen := int((kept["split"] == CHOSEN).sum())):
        raise DataError(
            f"{revision.revision}: expected no rows that a model chose where data.test_fraction is null, found {chosen}: they are "
            "harder than others, and out of fold every labelled row is tested on; give a data.test_fraction and evaluation.rows: "
            "held_out, or name an earlier version in data.revision"
        )
    splits = assign_splits(
        kept, seed=seed, test_fraction=data.test_fraction, test_rows=data.test_rows, rows_per_class=data.labelled_rows_per_class
    )
    return kept, splits


def check_modality(card: dict[str, Any], revision: DatasetRevision, data: DataParams) -> None:
    """Raise DataError if a data set does not hold what ``data.modality`` says."""
    if card["modality"] != data.modality.name:
        raise DataError(
            f"{revision.revision}: expected data of modality {data.modality.name} as data.modality says, found {card['modality']}; "
            "change data.modality.name or name another dataset"
        )


@dataclass(frozen=True)
class _Inputs:
    """Of the target's rows."""

    tested: Sequence[Any]
    learned: Sequence[Any]
    """none where these are tested on too"""


def _target(path: Path, revision: DatasetRevision, *, data: DataParams, seed: int, folder: Path) -> tuple[Dataset, _Inputs]:
    """The target, and the inputs of the rows that it is tested on, and of those to learn from."""
    card = registry.read_card(path, revision)
    kept, splits = split_target(path, revision, data=data, seed=seed)
    names = (TRAIN, UNUSED) if data.test_fraction is None else (TRAIN, TEST, UNUSED)
    parts = {name: kept[[split == name for split in splits]] for name in names}
    tested = parts[TEST if TEST in parts else TRAIN]
    if len(parts[TRAIN]) == 0:
        declared = ", ".join(f"'{split}'" for split in sorted(set(kept["split"]))) or "none"
        raise DataError(
            f"{revision.revision}: expected rows of split 'train' to learn from, found {declared} in its split column; call them "
            f"'train' and 'test' and add it again, or without the column: 'rootstock data add {revision.dataset} PATH --set "
            "data.columns.split=null'"
        )
    labels = tuple(label_counts(parts[TRAIN]))
    if unlearned := sorted(set(label_counts(kept)) - set(labels)):
        rows = {name: int((part["label"] == unlearned[0]).sum()) for name, part in parts.items()}
        raise DataError(_unlearned(path / revision.dataset / registry.ROWS_FILE, revision, unlearned[0], rows))
    if len(tested) == 0:
        raise DataError(f"{revision.revision}: expected rows to hold out for the test, found too few different inputs; add some")
    columns = (*_kept_columns(kept, revision, data.columns.keep), *((GROUP,) if GROUP in kept else ()))
    target = _dataset(parts, revision, labels, data=data, folder=folder, card=card, contamination=None, columns=columns)
    if TIME in kept and TEST in parts and TEST not in set(kept["split"]):
        oldest = tested[f"{KEPT}{data.columns.time}"][tested[TIME] == tested[TIME].min()].iloc[0]
        target = target.model_copy(update={"tested_from": oldest or None})
    learned = parts[TRAIN]["input"].tolist() if TEST in parts else []
    return target, _Inputs(tested=tested["input"].tolist(), learned=learned)


def _unlearned(file: Path, revision: DatasetRevision, label: str, rows: dict[str, int]) -> str:
    where = " and ".join(f"{count} {name} row{'s' if count > 1 else ''}" for name, count in rows.items() if count)
    return (
        f"{revision.revision} ({file}): expected training rows of every label, found '{label}' in {where} and in none to learn "
        f"from; add training rows of '{label}' with 'rootstock data add', or leave it out by naming the others in data.labels"
    )


def _source(path: Path, revision: DatasetRevision, inputs: _Inputs, *, data: DataParams, seed: int, folder: Path) -> Dataset | str:
    """The source, or the reason why there is nothing in it to learn from."""
    card = registry.read_card(path, revision)
    if card["modality"] != data.modality.name:
        return f"{revision.revision} holds data of modality {card['modality']}, the target is {data.modality.name}"
    frame = _rows(path, revision)
    labelled = frame[frame["label"] != ""]
    if len(labelled) == 0:
        return (
            f"{revision.revision} has no labelled rows, only {len(frame)} without a label"
            if len(frame)
            else (f"{revision.revision} has no rows")
        )
    clean, contamination = without_copies(labelled, inputs.tested, similarity=data.contamination_similarity)
    clean, learned = without_copies(clean, inputs.learned, similarity=data.contamination_similarity)
    contamination = contamination.model_copy(update={"labelled": learned.dropped})
    copies = contamination.dropped
    if len(clean) == 0:
        return f"all {copies} labelled rows of {revision.revision} are copies of the target's rows"
    capped = cap_rows(clean, seed=seed, rows=data.source_rows)
    labels = tuple(label_counts(capped))
    if len(labels) < 2:
        left = f" after {copies} copies of the target's rows were dropped" if copies else ""
        return f"{revision.revision} has one class only, '{labels[0]}'{left}; at least two are needed to learn from"
    source = _dataset(
        {TRAIN: capped}, revision, labels, data=data, folder=folder, card=card, contamination=contamination, columns=()
    )
    return source.model_copy(update={"capped_from": len(clean) if len(capped) < len(clean) else None})


def _kept_columns(frame: pd.DataFrame, revision: DatasetRevision, keep: tuple[str, ...]) -> tuple[str, ...]:
    """Names in the rows file of the columns to keep. Raises DataError for one that this version was added without."""
    return tuple(_kept_column(frame, revision, name, key="keep") for name in keep)


def _kept_column(frame: pd.DataFrame, revision: DatasetRevision, name: str, *, key: str) -> str:
    known = [column.removeprefix(KEPT) for column in kept_columns(frame)]
    if name not in known:
        raise DataError(
            f"{revision.revision}: data.columns.{key}: {unknown_name('kept column', name, known)}; it was added without it: "
            f"'rootstock data add {revision.dataset} PATH' from a file with this column makes a version that has it"
        )
    return f"{KEPT}{name}"


def _with_groups(frame: pd.DataFrame, revision: DatasetRevision, column: str | None) -> pd.DataFrame:
    """The rows with the group of each; as they are where none is asked for."""
    if column is None:
        return frame
    values = frame[_kept_column(frame, revision, column, key="group")]
    return frame.assign(**{GROUP: group_names(values.fillna("").tolist(), frame["id"].tolist())})


def _with_times(frame: pd.DataFrame, revision: DatasetRevision, column: str | None) -> pd.DataFrame:
    """The rows with the time of each as a number; as they are where none is asked for. Raises DataError for what is no time."""
    import numpy as np

    if column is None:
        return frame
    values = frame[_kept_column(frame, revision, column, key="time")].fillna("")
    times = read_times(values.tolist())
    if (wrong := np.flatnonzero(np.isnan(times))).size:
        raise DataError(
            f"{revision.revision}: data.columns.time: expected numbers or dates such as 2026-01-31 in column '{column}', found "
            f"'{values.iloc[wrong[0]]}' in row '{frame['id'].iloc[wrong[0]]}'; write it so and add the data again"
        )
    return frame.assign(**{TIME: times})


def _renamed(frame: pd.DataFrame, revision: DatasetRevision, names: dict[str, str]) -> pd.DataFrame:
    """The rows with labels renamed, all at once: no new name is renamed again."""
    if not names:
        return frame
    renamed = frame.assign(label=frame["label"].map(lambda label: names.get(label, label)).astype("str"))
    known = label_counts(renamed)
    for old, new in names.items():
        if new not in known:
            raise DataError(f"data.renamed_labels.{old}: {unknown_name(f'label of {revision.revision}', new, known)}")
    return renamed


def _with_labels(frame: pd.DataFrame, revision: DatasetRevision, labels: tuple[str, ...] | None) -> pd.DataFrame:
    if labels is None:
        return frame
    known = label_counts(frame)
    for label in labels:
        if label not in known:
            raise DataError(f"data.labels: {unknown_name(f'label of {revision.revision}', label, known)}")
    if len(set(labels)) < 2:
        raise DataError(f"data.labels: expected at least two labels, found {', '.join(labels) or 'none'}; null keeps all")
    return frame[frame["label"].isin([*labels, ""])]


def _dataset(
    parts: dict[str, pd.DataFrame],
    revision: DatasetRevision,
    labels: tuple[str, ...],
    *,
    data: DataParams,
    folder: Path,
    card: dict[str, Any],
    contamination: Contamination | None,
    columns: tuple[str, ...],
) -> Dataset:
    splits = {}
    for name, part in parts.items():
        path = folder / revision.dataset / f"{name}.parquet"
        rows = part[["id", "input", "label", *columns]]
        write_file(path, partial(write_rows, rows))
        splits[name] = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(part))
    return Dataset(
        name=revision.dataset,
        modality=data.modality.name,
        revision=revision,
        splits=splits,
        labels=labels,
        class_counts={name: label_counts(part) for name, part in parts.items()},
        contamination=contamination,
        groups={name: part[GROUP].nunique() for name, part in parts.items() if GROUP in columns},
        licence=card.get("licence"),
    )
