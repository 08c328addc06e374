"""Turn what people have into the canonical table, and refuse what cannot be learned from, by file, row and column."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data.newest_split import read_times
from rootstock.data.raw import Raw, read_raw
from rootstock.data.rows import input_key, make_frame
from rootstock.errors import DataError, unknown_name
from rootstock.normal_form import composed, normal_text
from rootstock.records import CHOSEN
from rootstock.table import as_text, is_missing, read_images, text_in, undecodable

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.params import DataParams


#: How many unreadable images a message names.
NAMED_ROWS = 5


def read_dataset(source: str | Path, *, data: DataParams) -> pd.DataFrame:
    """Read a CSV, TSV, JSONL or Parquet file, a folder or an .npz file of images, or ``hf:NAME`` as a canonical frame.

    Columns ``id``, ``input`` (text, or the bytes of an image), ``label`` ("" only where a split other than train, test and chosen
    is declared), ``split`` ("" where none is declared), and ``keep:COLUMN`` for each of ``data.columns.kept`` (text, "" where there
    is none). Raises DataError naming file, row and column of the first fault.
    """
    raw = read_raw(str(source), columns=data.columns, modality=data.modality.name)
    _check_columns(raw)
    inputs = _inputs(raw, data)
    splits = _splits(raw)
    labels = _labels(raw, splits)
    _check_classes(raw, labels)
    _check_leak(raw, inputs, splits)
    _check_times(raw, data.columns.time)
    kept = {name: [as_text(value) for value in _column(raw, name)] for name in sorted(raw.keep)}  # however the params order them
    return make_frame(inputs, labels, splits=splits, ids=_ids(raw), kept=kept)


def _check_times(raw: Raw, column: str | None) -> None:
    """Every row needs a time that can be told."""
    import numpy as np

    if column is None:
        return
    texts = [as_text(value) for value in _column(raw, column)]
    times = read_times(texts)
    if (wrong := np.flatnonzero(~np.isfinite(times))).size:
        raise _fault(
            raw, f"numbers or dates such as 2026-01-31 in column '{column}' (data.columns.time)",
            f"'{texts[wrong[0]]}' at {raw.place(int(wrong[0]))}", advice="write it so, or remove the row",
        )  # fmt: skip


def _fault(raw: Raw, expected: str, found: str, *, advice: str) -> DataError:
    return DataError(f"{raw.where}: expected {expected}, found {found}; {advice}")


def _check_columns(raw: Raw) -> None:
    found = [str(column) for column in raw.frame.columns]
    for role in ("input", "label", "id", "split"):
        name = getattr(raw, role)
        if name is not None and name not in found:
            raise DataError(f"{raw.where}: data.columns.{role}: {unknown_name('column', name, found)}")
    for name, key in raw.keep.items():
        if name not in found:
            raise DataError(f"{raw.where}: {key.partition('=')[0]}: {unknown_name('column', name, found)} (--set {key} keeps none)")


def _column(raw: Raw, name: str) -> list[Any]:
    return raw.frame[name].astype(object).tolist()


def _inputs(raw: Raw, data: DataParams) -> list[str | bytes]:
    return _images(raw, most_pixels=data.max_pixels) if data.modality.name == "image" else _texts(raw, limit=data.max_characters)


def _texts(raw: Raw, *, limit: int) -> list[str | bytes]:
    inputs: list[str | bytes] = []
    for row, value in enumerate(_column(raw, raw.input)):
        if is_missing(value):
            raise _fault(raw, f"text in column '{raw.input}'", f"none at {raw.place(row)}", advice="fill it in or remove the row")
        inputs.append(_text(raw, value, row, limit=limit))
    return inputs


def _text(raw: Raw, value: Any, row: int, *, limit: int) -> str:
    if not isinstance(value, str):
        raise _fault(
            raw,
            f"text in column '{raw.input}'",
            f"{type(value).__name__} at {raw.place(row)}",
            advice="name another column in data.columns.input",
        )
    if len(value) > limit:
        raise _fault(
            raw,
            f"at most {limit:,} characters in column '{raw.input}'",
            f"{len(value):,} at {raw.place(row)}",
            advice="shorten or remove the row, or raise data.max_characters",
        )
    return value


def _images(raw: Raw, *, most_pixels: int | None) -> list[str | bytes]:
    """What is kept of every image; those that cannot be read are counted, and the first of them named."""
    cells = _column(raw, raw.input)
    found = read_images(cells, most_pixels=most_pixels)
    broken = [(row, error) for row, error in enumerate(found) if isinstance(error, ValueError)]
    if broken and isinstance(cells[0], Path):
        folder = Path(raw.where)
        raise undecodable({cells[row].relative_to(folder).as_posix(): str(error) for row, error in broken}, len(cells), folder)
    if broken:
        # Only for those that are named: to tell a row's line, its file is read again.
        named = ", ".join(f"{raw.place(row)} ({error})" for row, error in broken[:NAMED_ROWS])
        more = f" and {len(broken) - NAMED_ROWS} more" if len(broken) > NAMED_ROWS else ""
        raise _fault(
            raw,
            f"an image in column '{raw.input}' of each of {len(raw.frame)} rows",
            f"{len(broken)} that cannot be decoded: {named}{more}",
            advice="replace or remove them",
        )
    return [image for image in found if isinstance(image, bytes)]


def _splits(raw: Raw) -> list[str]:
    if raw.split is None:
        return [""] * len(raw.frame)
    values = ["" if is_missing(value) else str(value).strip().lower() for value in _column(raw, raw.split)]
    if any(values) and "" in values:
        place = raw.place(values.index(""))
        raise _fault(raw, f"a split for every row or for none in column '{raw.split}'", f"none at {place}", advice="fill it in")
    if "test" in values and "train" not in values:
        raise _fault(
            raw, f"rows of split 'train' in column '{raw.split}'", f"only {', '.join(sorted(set(values)))}", advice="declare some"
        )
    return values


def _labels(raw: Raw, splits: Sequence[str]) -> list[str]:
    """Labels as text; rows of a declared split other than train, test and chosen need none."""
    labels = []
    for row, (value, split) in enumerate(zip(_column(raw, raw.label), splits, strict=True)):
        if is_missing(value):
            if split in ("", "train", "test", CHOSEN):
                raise _fault(
                    raw, f"a label in column '{raw.label}'", f"none at {raw.place(row)}", advice="fill it in or remove the row"
                )
            labels.append("")
        elif not isinstance(value, str) and hasattr(value, "__len__"):
            raise _fault(
                raw,
                f"one label in column '{raw.label}'",
                f"{type(value).__name__} at {raw.place(row)}",
                advice="write each row's one class as a text or a number",
            )
        else:
            labels.append(composed(text_in(value)))
    return _stripped(raw, labels)


def _stripped(raw: Raw, labels: Sequence[str]) -> list[str]:
    spellings: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        spellings[normal_text(label)].add(label)
    for variants in spellings.values():
        if len(variants) > 1:
            counts = Counter(labels)
            first = raw.place(labels.index(min(variants, key=lambda name: counts[name])))
            listed = ", ".join(f"'{name}' ({counts[name]} rows)" for name in sorted(variants))
            raise _fault(
                raw,
                f"one spelling for each label in column '{raw.label}'",
                f"{listed}, the rarest first at {first}",
                advice="make them the same",
            )
    return [label.strip() for label in labels]


def _check_classes(raw: Raw, labels: Sequence[str]) -> None:
    counts = Counter(label for label in labels if label)
    if len(counts) < 2:
        names = ", ".join(f"'{name}'" for name in counts) or "none"
        raise _fault(raw, f"at least two labels in column '{raw.label}'", names, advice="add rows of another label")
    for name, rows in sorted(counts.items()):
        if rows < 2:
            place = raw.place(labels.index(name))
            raise _fault(
                raw,
                f"at least two rows of each label in column '{raw.label}'",
                f"one of '{name}' at {place}",
                advice="add rows of it or remove it",
            )


def _check_leak(raw: Raw, inputs: Sequence[str | bytes], splits: Sequence[str]) -> None:
    if "test" not in splits:
        return
    train = {
        input_key(value): row for row, (value, split) in enumerate(zip(inputs, splits, strict=True)) if split in ("train", CHOSEN)
    }
    for row, (value, split) in enumerate(zip(inputs, splits, strict=True)):
        if split == "test" and (twin := train.get(input_key(value))) is not None:
            raise _fault(
                raw,
                "test rows that are not in train",
                f"the input of {raw.place(row)}, split test, also at {raw.place(twin)}, split train, in column '{raw.input}'",
                advice="remove one of them",
            )


def _ids(raw: Raw) -> list[str] | None:
    if raw.id is None:
        return None
    first: dict[str, int] = {}
    for row, value in enumerate(_column(raw, raw.id)):
        name = text_in(value)
        if not name:
            raise _fault(
                raw, f"an id in column '{raw.id}'", f"none at {raw.place(row)}", advice="fill it in, or set data.columns.id to null"
            )
        if name in first:
            raise _fault(
                raw,
                f"each id once in column '{raw.id}'",
                f"'{name}' at {raw.place(first[name])} and at {raw.place(row)}",
                advice="make ids unique, or set data.columns.id to null",
            )
        first[name] = row
    return list(first)
