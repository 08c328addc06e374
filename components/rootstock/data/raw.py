"""Where rows come from: a table file, a folder of images, arrays, or the Hugging Face hub. Only the container is judged."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data.arrays import ARRAYS_ENDING, read_image_arrays
from rootstock.errors import DataError, InputError, RootstockError, ServiceError
from rootstock.files import read_utf8
from rootstock.table import SEPARATORS, image_files, read_table

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.params import Columns

HUB_PREFIX = "hf:"
DECLARED_SPLITS = ("train", "test")


@dataclass(frozen=True)
class Raw:
    """Rows as they were found, and what their columns are called."""

    where: str
    """the file, folder or hub name, for messages"""
    frame: pd.DataFrame
    input: str
    label: str
    id: str | None
    split: str | None
    place: Callable[[int], str]
    """where the row with this 0-based position stands"""
    keep: Mapping[str, str]
    """further columns to keep -> the key that asks for it, as it is set to keep none"""


def read_raw(source: str, *, columns: Columns, modality: str) -> Raw:
    """Rows of ``source``: a path, or ``hf:NAME`` for a dataset of the Hugging Face hub (or a folder its loader understands).

    Raises DataError naming the file; ServiceError if the hub cannot be reached.
    """
    if source.startswith(HUB_PREFIX):
        return _from_hub(source, columns)
    path = Path(source)
    if columns.kept and path.exists() and (path.is_dir() or path.suffix.lower() == ARRAYS_ENDING):
        key = columns.key_of(columns.kept[0])
        raise DataError(
            f"{path}: expected a table to keep the column '{columns.kept[0]}' of ({key.partition('=')[0]}), found "
            f"{'a folder' if path.is_dir() else 'arrays'} without columns; give a Parquet file of images, or --set {key}"
        )
    if not path.exists():
        raise DataError(f"{path}: expected a file or folder, found nothing; check the path, or write {HUB_PREFIX}NAME for the hub")
    if path.is_dir():
        if modality != "image":
            raise DataError(
                f"{path}: expected a table file for data of modality {modality}, found a folder; "
                "give a file, or set data.modality to image for a folder of images"
            )
        return _from_folder(path)
    if path.suffix.lower() == ARRAYS_ENDING:
        if modality != "image":
            raise DataError(
                f"{path}: expected a table file for data of modality {modality}, found arrays; "
                "give a table, or set data.modality to image for arrays of images"
            )
        return _from_arrays(path)
    try:
        frame = read_table(path)
    except DataError:
        raise
    except InputError as error:
        raise DataError(str(error)) from error

    def place(row: int) -> str:
        return f"row {row + 1}{_line(path, row)}"

    return Raw(str(path), frame, columns.input, columns.label, columns.id, columns.split, place, _kept(columns))


def _kept(columns: Columns) -> dict[str, str]:
    return {name: columns.key_of(name) for name in columns.kept}


def _line(path: Path, row: int) -> str:
    """Where a row ends in the file; counted only when there is something to complain about."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        return ""
    text = read_utf8(path)
    if ending in SEPARATORS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=SEPARATORS[ending])
        lines = [reader.line_num for cells in reader if cells][1:]
    else:
        lines = [number for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return f" (line {lines[row]})"


def _from_folder(folder: Path) -> Raw:
    import pandas as pd

    paths = image_files(folder)
    names = list(paths)
    steps = [name.split("/") for name in names]
    nested = any(len(step) == 3 and step[0] in DECLARED_SPLITS for step in steps)
    has_splits = nested or {step[0] for step in steps} == set(DECLARED_SPLITS)
    if wrong := [name for name, step in zip(names, steps, strict=True) if not _is_in_class(step, has_splits=has_splits)]:
        raise DataError(
            f"{folder}: expected all images as CLASS/IMAGE, or all as train/CLASS/IMAGE and test/CLASS/IMAGE, found {wrong[0]}; "
            "move it into a folder named after its class"
        )
    rows = pd.DataFrame({"input": list(paths.values()), "label": [step[-2] for step in steps]})
    if has_splits:
        rows["split"] = [step[0] for step in steps]
    return Raw(str(folder), rows, "input", "label", None, "split" if has_splits else None, lambda row: f"file {names[row]}", {})


def _is_in_class(step: list[str], *, has_splits: bool) -> bool:
    """Whether an image lies in the folder of a class, below that of its split where there are such."""
    return len(step) == 3 and step[0] in DECLARED_SPLITS if has_splits else len(step) == 2


def _from_arrays(path: Path) -> Raw:
    rows = read_image_arrays(path)
    places = rows.pop("place").tolist()
    return Raw(str(path), rows, "input", "label", None, "split" if "split" in rows else None, lambda row: str(places[row]), {})


def _from_hub(source: str, columns: Columns) -> Raw:
    import datasets
    import pandas as pd

    name = source.removeprefix(HUB_PREFIX)
    try:
        loaded: Any = datasets.load_dataset(name)
    except RootstockError:
        raise
    except ConnectionError as error:
        raise ServiceError(f"{source}: the Hugging Face hub did not answer ({error}); check the network and try again") from error
    except Exception as error:  # the loader raises types of its own for names, formats and features
        raise DataError(
            f"{source}: expected a dataset that can be loaded, found {type(error).__name__}: {error}; check the name"
        ) from error
    parts = []
    for split, rows in loaded.items():
        undecoded = rows
        for column, feature in rows.features.items():
            if isinstance(feature, datasets.Image):
                undecoded = undecoded.cast_column(column, datasets.Image(decode=False))
        frame = undecoded.to_pandas()
        for column, feature in rows.features.items():
            if isinstance(feature, datasets.ClassLabel):
                indices: list[Any] = frame[column].tolist()  # -1 where the label is withheld
                frame[column] = pd.Series([feature.names[int(index)] if index >= 0 else None for index in indices], dtype="object")
        parts.append(frame.assign(**{"split of the hub": str(split)}))
    frame = pd.concat(parts, ignore_index=True)
    split = columns.split or ("split of the hub" if len(parts) > 1 else None)
    return Raw(source, frame, columns.input, columns.label, columns.id, split, lambda row: f"row {row + 1}", _kept(columns))
