"""The second stage: rows of the pinned revisions, cut into splits and written where every later stage reads them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.data import registry
from rootstock.data.rows import label_counts, write_rows
from rootstock.data.split import TEST, TRAIN, UNUSED, assign_splits, cap_rows
from rootstock.errors import DataError, unknown_name
from rootstock.files import sha256_of, write_file
from rootstock.params import DataParams
from rootstock.records import Dataset, DatasetRevision, PreparedData, Resolution, RowsFile

if TYPE_CHECKING:
    import pandas as pd


def prepare(resolution: Resolution, *, data: DataParams, seed: int, folder: Path) -> PreparedData:
    """Cut the target into ``train``, ``test`` and ``unused`` (see split.py), cap the sources, and write a Parquet file a split.

    ``data.labels`` selects labels of the target; sources keep all of theirs. The result does not depend on the order of rows.
    Raises DataError if the registry holds another modality than ``data.modality``, a label is unknown, or a class lacks rows.
    """
    source_path = Path(resolution.registry)
    if resolution.target.dataset in {source.dataset for source in resolution.sources}:
        raise DataError(f"data.sources: expected other datasets than the target, found '{resolution.target.dataset}'; remove it")
    return PreparedData(
        target=_target(_rows(source_path, resolution.target, data), resolution.target, data=data, seed=seed, folder=folder),
        sources=tuple(
            _source(_rows(source_path, source, data), source, data=data, seed=seed, folder=folder) for source in resolution.sources
        ),
    )


def _rows(path: Path, revision: DatasetRevision, data: DataParams) -> pd.DataFrame:
    modality = registry.read_card(path, revision)["modality"]
    if modality != data.modality.name:
        raise DataError(
            f"{revision.revision}: expected data of modality {data.modality.name} as data.modality says, found {modality}; "
            "change data.modality.name or name another dataset"
        )
    return registry.read_rows(path, revision).sort_values("id", ignore_index=True)


def _target(frame: pd.DataFrame, revision: DatasetRevision, *, data: DataParams, seed: int, folder: Path) -> Dataset:
    kept = _with_labels(frame, revision, data.labels)
    splits = assign_splits(
        kept, seed=seed, test_fraction=data.test_fraction, test_rows=data.test_rows, rows_per_class=data.labelled_rows_per_class
    )
    parts = {name: kept[[split == name for split in splits]] for name in (TRAIN, TEST, UNUSED)}
    labels = tuple(label_counts(parts[TRAIN]))
    if unlearned := sorted(set(label_counts(kept)) - set(labels)):
        raise DataError(
            f"{revision.revision}: expected rows of every label to learn from, found none of '{unlearned[0]}' in train; add some"
        )
    if len(parts[TEST]) == 0:
        raise DataError(f"{revision.revision}: expected rows to hold out for the test, found too few different inputs; add some")
    return _dataset(parts, revision, labels, data=data, folder=folder)


def _source(frame: pd.DataFrame, revision: DatasetRevision, *, data: DataParams, seed: int, folder: Path) -> Dataset:
    labelled = cap_rows(frame[frame["label"] != ""], seed=seed, rows=data.source_rows)
    return _dataset({TRAIN: labelled}, revision, tuple(label_counts(labelled)), data=data, folder=folder)


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
    parts: dict[str, pd.DataFrame], revision: DatasetRevision, labels: tuple[str, ...], *, data: DataParams, folder: Path
) -> Dataset:
    splits = {}
    for name, part in parts.items():
        path = folder / revision.dataset / f"{name}.parquet"
        rows = part[["id", "input", "label"]]
        write_file(path, partial(write_rows, rows))
        splits[name] = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(part))
    return Dataset(
        name=revision.dataset,
        modality=data.modality.name,
        revision=revision,
        splits=splits,
        labels=labels,
        class_counts={name: label_counts(part) for name, part in parts.items()},
    )
