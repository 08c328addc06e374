"""Labels that people gave to rows which had none: what the next version of a dataset holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data.rows import content_ids, input_key, make_frame
from rootstock.errors import DataError, unknown_name
from rootstock.normal_form import composed, normal_text
from rootstock.records import CHOSEN, KEPT, SAMPLE, Value, kept_columns
from rootstock.table import as_text

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("id", "input", "label", "split")

Row = dict[Any, Any]


class AddedLabels(Value):
    """What a sheet of labels changed in a dataset."""

    labelled: int
    """rows that were in the dataset without a label"""
    added: int
    """rows that were not in the dataset"""
    unchanged: int
    """rows that had this label already"""
    blank: int
    """rows of the sheet that nobody labelled"""
    new_labels: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A labelled row of a sheet."""

    id: str
    cell: Any
    label: str
    split: str
    place: str
    """where it stands, for messages"""
    kept: dict[str, str]
    """what the sheet says of further columns"""


def add_labels(
    frame: pd.DataFrame, sheet: pd.DataFrame, *, where: Path, read_input: Callable[[Any, str], str | bytes], new_labels: bool
) -> tuple[pd.DataFrame, AddedLabels]:
    """The canonical ``frame`` with the labels of a ``sheet`` of columns ``id``, ``input``, ``label``, ``split``, ``keep:COLUMN``.

    A row of the sheet is the one of the dataset with its id, else the one with its input, else a new one, with what the sheet says
    of the columns that the dataset keeps; where id and text are of two rows, people read the text. ``read_input`` turns a cell of
    the sheet, and where it stands, into an input. Its split becomes ``chosen``; or, for rows by chance, ``test`` where the dataset
    declares test rows, else what its labelled rows have. Blank labels are passed over. Raises DataError for a missing column, an
    unknown split, an unknown label unless ``new_labels``, one in two spellings, a text that is neither the one of its id nor
    another row's, and a row that bears another label already.
    """
    rows: dict[str, Row] = {row["id"]: row for row in frame.to_dict("records")}
    names = {input_key(row["input"]): name for name, row in rows.items()}
    known = sorted({row["label"] for row in rows.values()} - {""})
    spelled = {normal_text(label): label for label in known}
    splits = {CHOSEN: CHOSEN, SAMPLE: _split_by_chance(set(frame["split"]))}
    kept = kept_columns(frame)
    counts: Counter[str] = Counter()
    entries = [replace(entry, label=_label(entry, known, spelled, new_labels=new_labels)) for entry in _entries(sheet, where)]
    for entry in entries:
        name, content = _row_of(entry, rows, names), None
        if name not in rows:
            content = read_input(entry.cell, entry.place)
            name = names.setdefault(input_key(content), _free_id(content, rows))
        row = rows.setdefault(
            name, {"id": name, "input": content, "label": "", **{column: entry.kept.get(column, "") for column in kept}}
        )
        if row["label"] not in ("", entry.label):
            raise DataError(
                f"{entry.place}: expected a row without a label, found it labelled '{row['label']}' already and '{entry.label}' "
                "here; remove it, or correct the dataset with 'rootstock data add'"
            )
        counts["unchanged" if row["label"] else "labelled" if "split" in row else "added"] += 1
        if not row["label"]:
            rows[name] = row | {"label": entry.label, "split": splits[entry.split]}
    return _frame(list(rows.values()), kept), AddedLabels(
        **{field: counts[field] for field in ("labelled", "added", "unchanged")},
        blank=len(sheet) - len(entries),
        new_labels=tuple(sorted({entry.label for entry in entries} - set(known))),
    )


def _entries(sheet: pd.DataFrame, where: Path) -> Iterator[_Entry]:
    """Its labelled rows."""
    if missing := [name for name in COLUMNS if name not in sheet.columns]:
        raise DataError(
            f"{where}: expected the columns {', '.join(COLUMNS)}, found no '{missing[0]}'; fill in the file that "
            "'rootstock label choose' wrote"
        )
    further = kept_columns(sheet)
    for number, row in enumerate(sheet[[*COLUMNS, *further]].to_dict("records"), start=1):
        entry = _Entry(
            as_text(row["id"]), row["input"], composed(as_text(row["label"])), as_text(row["split"]), f"{where}: row {number}",
            {name: as_text(row[name]) for name in further},
        )  # fmt: skip
        if entry.split not in (CHOSEN, SAMPLE):
            said = unknown_name("split", entry.split, (CHOSEN, SAMPLE))
            raise DataError(f"{entry.place} (id {entry.id}): {said}; leave this column as 'rootstock label choose' wrote it")
        if entry.label:
            yield entry


def _label(entry: _Entry, known: list[str], spelled: dict[str, str], *, new_labels: bool) -> str:
    """The label that an entry means; a new one joins ``spelled``, the labels by their normal forms."""
    if entry.label in known:
        return entry.label
    same = spelled.get(normal_text(entry.label))
    if same is None and not new_labels:
        raise DataError(f"{entry.place}: {unknown_name('label', entry.label, known)}; --new-labels takes labels that are new")
    if same is not None and composed(same) != entry.label:
        raise DataError(
            f"{entry.place}: expected one spelling for each label, found '{entry.label}' beside '{same}'; make them the same"
        )
    return spelled.setdefault(normal_text(entry.label), entry.label)


def _row_of(entry: _Entry, rows: dict[str, Row], names: dict[str, str]) -> str:
    """The id that an entry means: its own, unless a text beside it is another row's. Case and blanks make no other text."""
    text = as_text(entry.cell)
    if entry.id not in rows or not text or isinstance(rows[entry.id]["input"], bytes):  # of an image, the sheet holds the path
        return entry.id
    key = input_key(text)
    if key == input_key(rows[entry.id]["input"]):
        return entry.id
    if key not in names:
        raise DataError(
            f"{entry.place} (id {entry.id}): expected the text that the dataset has under this id, or another of its texts, found "
            "neither in column 'input'; put the text back, leave it blank if the id is right, or the id if the row is new"
        )
    return names[key]


def _split_by_chance(declared: set[str]) -> str:
    return "test" if "test" in declared else "train" if "train" in declared else ""


def _free_id(content: str | bytes, taken: dict[str, Row]) -> str:
    """From the content; where a dataset calls another row by it, with a dash more."""
    (name,) = content_ids([content])
    while name in taken:
        name += "-"
    return name


def _frame(rows: list[Row], kept: list[str]) -> pd.DataFrame:
    return make_frame(
        [row["input"] for row in rows],
        [row["label"] for row in rows],
        splits=[row["split"] for row in rows],
        ids=[row["id"] for row in rows],
        kept={name.removeprefix(KEPT): [row[name] for row in rows] for name in kept},
    )
