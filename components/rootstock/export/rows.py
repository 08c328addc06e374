"""The rows that an exported model is compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import DataError
from rootstock.files import sha256_of
from rootstock.normal_form import composed
from rootstock.table import image_in, is_missing, read_image_folder, read_table, text_in

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ComparedRows:
    """n rows, with labels where they are at hand."""

    inputs: Sequence[Any]
    labels: Sequence[str] | None
    path: str
    sha256: str


def read_rows(
    path: Path, *, labels: Sequence[str], modality: str, input_columns: Sequence[str], label_columns: Sequence[str]
) -> ComparedRows:
    """Rows of a table file, or of a folder of images (the folders that they lie in, where all lie in one, are the labels).

    Of ``input_columns`` and ``label_columns`` the first that is there is read; without a label column there are no labels.
    Raises DataError for a missing column, an input of another kind, and a label that the model does not know.
    """
    table = _image_table(path) if path.is_dir() and modality == "image" else read_table(path)
    column = next((name for name in input_columns if name in table.columns), None)
    if column is None:
        raise DataError(
            f"{path}: expected a column {' or '.join(repr(name) for name in input_columns)}, found "
            f"{', '.join(map(str, table.columns))}; rename the one that holds the inputs"
        )
    inputs: list[str | bytes] = []
    for number, value in enumerate(table[column], start=1):
        try:
            inputs.append(image_in(value, most_pixels=None) if modality == "image" else _text(value))
        except ValueError as error:
            said = "an image" if modality == "image" else "a text"
            raise DataError(
                f"{path}: expected {said} in column '{column}', found {error} in row {number}; mend or remove the row"
            ) from error
    label = next((name for name in label_columns if name in table.columns), None)
    known = _labels(path, table[label], labels) if label is not None else None
    return ComparedRows(inputs, known, path.as_posix(), sha256_of(path))


def _image_table(path: Path) -> pd.DataFrame:
    table = read_image_folder(path, most_pixels=None)
    if table["id"].str.contains("/").all():
        table["label"] = table["id"].str.split("/").str[-2]
    return table


def _text(cell: Any) -> str:
    """Raises ValueError naming what stands there instead."""
    if not isinstance(cell, str) or not cell.strip():
        raise ValueError("nothing" if is_missing(cell) else type(cell).__name__)
    return cell


def _labels(path: Path, column: pd.Series[Any], labels: Sequence[str]) -> list[str]:
    known = {composed(label): label for label in labels}
    names = [composed(text_in(value).strip()) for value in column]
    for number, name in enumerate(names, start=1):
        if name not in known:
            raise DataError(
                f"{path}: expected a label among {', '.join(labels)}, found '{name or 'none'}' in row {number}; mend it, or leave "
                "the label column out to compare answers only"
            )
    return [known[name] for name in names]
