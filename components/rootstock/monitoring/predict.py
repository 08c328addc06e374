"""Batch prediction: a file in, a file out, and every row in the prediction log."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.classifier import input_hash
from rootstock.errors import DataError
from rootstock.files import storage_errors, write_file
from rootstock.monitoring.prediction_log import LONGEST_BATCH, PredictionLog
from rootstock.monitoring.scored_rows import scored_rows
from rootstock.records import KEPT, Value, kept_columns
from rootstock.table import as_text, check_output, image_in, is_missing, read_image_folder, read_table, text_in, writing

if TYPE_CHECKING:
    import pandas as pd

    from rootstock.classifier import Classifier
    from rootstock.params import DataParams


#: Rows predicted and written at a time: with their embeddings and probabilities these take some 100 MB.
PART_ROWS = 20_000


class PredictedFile(Value):
    """What a batch prediction did."""

    version: str
    rows: int
    predicted: dict[str, int]
    """label -> rows"""
    output: str
    log: str
    batch: str


def predict_file(
    source: Path,
    target: Path,
    *,
    load: Callable[[], tuple[str, Classifier]],
    data: DataParams,
    log: PredictionLog,
    now: datetime,
) -> PredictedFile:
    """Predict each row of ``source`` (CSV, TSV, JSONL, Parquet, or a folder of images) and write ``target``, rows in order.

    ``target`` holds ``id``, ``input`` (the text, or an image's content hash), ``predicted`` and a ``probability:LABEL`` for each
    label. ``load`` answers the model's version and the model; it is called once the input is known to be good.
    Rows are predicted and written part by part, and stand in ``target`` and in the log once all of them are.
    An ``id`` column is taken from ``data.columns.id`` or, where there is none, counts rows from 1. No label is needed. Of the
    columns that are kept with rows those that are there go into the log; that of groups has to be there.
    Raises DataError for a target that cannot be written, a missing column, an empty, too long or unreadable input (which row),
    before anything is written.
    """
    check_output(target)
    if source.resolve() == target.resolve():
        raise DataError(f"{target}: expected another file than the input, found the same; name a new one")
    rows = read_inputs(source, data)
    version, classifier = load()
    batch = re.sub(r"[^A-Za-z0-9._-]+", "-", source.stem).strip("-._")[:LONGEST_BATCH] or "batch"
    counts: Counter[str] = Counter()
    logged: list[Path] = []

    def write(temporary: Path) -> None:
        with writing(temporary) as add:

            def parts() -> Iterator[pd.DataFrame]:
                for scored in _scored_in_parts(rows, classifier):
                    counts.update(scored["predicted"])
                    with storage_errors(target):  # not the log's
                        add(_shown(scored, data))
                    yield scored

            logged.append(log.append_parts(rows, parts(), version=version, batch=batch, now=now))

    write_file(target, write)
    return PredictedFile(
        version=version,
        rows=len(rows),
        predicted={label: counts[label] for label in classifier.labels},
        output=target.as_posix(),
        log=logged[0].as_posix(),
        batch=batch,
    )


def _scored_in_parts(rows: pd.DataFrame, classifier: Classifier) -> Iterator[pd.DataFrame]:
    from tqdm import tqdm

    starts = range(0, len(rows), PART_ROWS)
    for start in tqdm(starts, desc="parts", disable=True if len(starts) == 1 else None, leave=False, file=sys.stderr):
        part = rows.iloc[start : start + PART_ROWS]
        inputs = list(part["input"])
        kept = {name: list(part[name]) for name in kept_columns(part)}
        yield scored_rows(list(part["id"]), inputs, classifier.labels, classifier.predict(inputs)).assign(**kept)


def _shown(scored: pd.DataFrame, data: DataParams) -> pd.DataFrame:
    shown = scored.drop(columns=["embedding", *kept_columns(scored)])
    return shown.assign(input=[input_hash(value) for value in shown["input"]]) if data.modality.name == "image" else shown


def read_inputs(source: Path, data: DataParams) -> pd.DataFrame:
    """Columns ``id`` (text), ``input``, ``keep:COLUMN`` of a file or folder of images, checked. Raises DataError naming the row."""
    import pandas as pd

    if source.is_dir():
        if data.modality.name != "image":
            raise DataError(f"{source}: expected a table file for modality {data.modality.name}, found a folder; name a file")
        return read_image_folder(source, most_pixels=data.max_pixels)
    table = read_table(source)
    column = data.columns.input
    if column not in table.columns:
        raise DataError(
            f"{source}: expected the input column '{column}' (data.columns.input), found {', '.join(map(str, table.columns))}; "
            "rename it, or name the right one with --set data.columns.input=NAME"
        )
    ids = [str(number) for number in range(1, len(table) + 1)]
    if data.columns.id is not None and data.columns.id in table.columns:
        ids = [text_in(value) for value in table[data.columns.id]]
        if "" in ids:
            raise DataError(f"{source}: expected an id in each row, found none in row {ids.index('') + 1}; add it")
    inputs: list[str | bytes] = []
    for number, (name, value) in enumerate(zip(ids, table[column], strict=True), start=1):
        try:
            inputs.append(_image(value, data.max_pixels) if data.modality.name == "image" else _text(value, data.max_characters))
        except ValueError as error:
            raise DataError(f"{source}: {error} in row {number} (id {name}), column '{column}'; mend or remove the row") from error
    return pd.DataFrame({"id": ids, "input": inputs, **_kept(table, source, data)})


def _kept(table: pd.DataFrame, source: Path, data: DataParams) -> dict[str, list[str]]:
    """What is kept with rows, of the columns that the table has."""
    group = data.columns.group
    if group is not None and group not in table.columns:
        raise DataError(
            f"{source}: expected the group column '{group}' (data.columns.group), by which the watch tells which rows hang "
            f"together, found {', '.join(map(str, table.columns))}; add it, with blank cells for rows that stand alone"
        )
    return {f"{KEPT}{name}": [as_text(cell) for cell in table[name].astype(object)] for name in data.columns.kept if name in table}


def _image(cell: Any, most_pixels: int | None) -> bytes:
    """The same that ``rootstock data add`` keeps of it. Raises ValueError saying what is wrong."""
    try:
        return image_in(cell, most_pixels=most_pixels)
    except ValueError as error:
        raise ValueError(f"expected an image, found one that cannot be decoded ({error})") from error


def _text(cell: Any, limit: int) -> str:
    """Raises ValueError saying what is wrong."""
    if not isinstance(cell, str):
        raise ValueError(f"expected text, found {'nothing' if is_missing(cell) else type(cell).__name__}")
    if is_missing(cell):
        raise ValueError("expected text, found only blanks")
    if len(cell) > limit:
        raise ValueError(f"expected at most {limit} characters (data.max_characters), found {len(cell)}")
    return cell
