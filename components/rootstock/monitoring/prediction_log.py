"""The prediction log: what the champion was asked, and what it answered.

One Parquet file a batch, written under a temporary name and renamed, never changed afterwards::

    <workspace>/predictions/<model>/<version>/<UTC time>-<content hash>--<batch>.parquet

A batch cut short leaves nothing, writers need no lock, and time order is name order. The same rows logged again under one batch
name and version count once: a batch that is run again after a crash is no new evidence of drift. What is kept with rows
(``data.columns``) is kept here too, as ``keep:COLUMN``.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import input_hash
from rootstock.errors import DataError
from rootstock.files import sha256_of_json, write_file
from rootstock.groups import group_names, one_row_of_each, start_of_newest
from rootstock.records import KEPT, kept_columns
from rootstock.table import writing

if TYPE_CHECKING:
    import pandas as pd

#: A batch's name stands in a file's name, which no file system takes at any length.
LONGEST_BATCH = 120
BATCH_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_BATCH - 1}}}")
#: What every file holds, beside a probability for each label (see scored_rows.py).
COLUMNS = ("id", "input", "predicted", "embedding")
FILE_NAME = re.compile(r"(?P<time>\d{8}T\d{12}Z)-(?P<hash>[0-9a-f]{16})--(?P<batch>.+)\.parquet")


@dataclass(frozen=True)
class PredictionLog:
    """The log of one model; ``folder`` is ``<workspace>/predictions/<model>``."""

    folder: Path

    @classmethod
    def of(cls, workspace: str, model: str) -> PredictionLog:
        """The log of a registered model."""
        return cls(Path(workspace) / "predictions" / model)

    def append(self, rows: pd.DataFrame, *, version: str, batch: str, now: datetime) -> Path:
        """Add a batch of scored rows (see scored_rows.py); answer its file. Raises as ``append_parts``."""
        return self.append_parts(rows, [rows], version=version, batch=batch, now=now)

    def append_parts(self, asked: pd.DataFrame, parts: Iterable[pd.DataFrame], *, version: str, batch: str, now: datetime) -> Path:
        """Add a batch whose rows (``id``, ``input``) are scored part by part, in order, as they are written; answer its file.

        All parts are gone through, also where the log has the batch. Raises DataError for a batch name that is no file name, or no
        rows; StorageError if the disk is full.
        """
        if not BATCH_NAME.fullmatch(batch):
            raise DataError(
                f"prediction log: expected a batch name of at most {LONGEST_BATCH} letters, digits and . _ -, found '{batch}'; "
                "choose another"
            )
        if asked.empty:
            raise DataError(f"prediction log: expected rows in batch '{batch}', found none")
        kept = [list(asked[name]) for name in kept_columns(asked)]
        content = sha256_of_json([list(asked["id"]), [input_hash(value) for value in asked["input"]], version, batch, *kept])[:16]
        for file in self._files(version):
            if file.content == content:
                collections.deque(parts, maxlen=0)
                return file.path
        path = self.folder / version / f"{_stamp(now)}-{content}--{batch}.parquet"
        time = now.astimezone(UTC).isoformat()

        def write(temporary: Path) -> None:
            with writing(temporary) as add:
                for part in parts:
                    add(part.assign(version=version, time=time, batch=batch))

        write_file(path, write)
        return path

    def read_window(
        self, *, version: str, rows: int, batch: str | None = None, until: datetime | None = None, group: str | None = None
    ) -> PredictionWindow:
        """The newest ``rows`` rows that this version answered, oldest first, or as many spread evenly over one named batch.

        The newest are those up to ``until``: what a wrong clock dated into the future would stay the newest for as long. Of rows
        that have the same value in the kept column ``group`` one is drawn; the window then goes back to where it has rows of so
        many groups. Raises DataError if there are fewer: how many there are, and how many are needed.
        """
        files = self._until(version, until) if batch is None else [file for file in self._files(version) if file.batch == batch]
        if batch is not None and not files:
            known = ", ".join(sorted({file.batch for file in self._files(version)})) or "none"
            raise DataError(f"prediction log {self.folder}: expected batch '{batch}' of version {version}, found: {known}")
        read = _newest(files, rows, group) if batch is None else [(file, _groups(file, group)) for file in files]
        names = [name for _, groups in read for name in groups]
        first = start_of_newest(names, rows) if batch is None else 0
        drawn = [first + row for row in one_row_of_each(names[first:])]
        found = len(drawn)
        if found < rows:
            where = f"batch '{batch}'" if batch else f"the log of version {version}"
            what = (
                "rows (monitoring.window_rows)"
                if group is None
                else f"rows of different values of {group} (monitoring.window_rows)"
            )
            raise DataError(
                f"prediction log {self.folder}: expected at least {rows} {what} in {where}, found {found}; predict more rows "
                "first, or lower monitoring.window_rows"
            )
        name = batch if batch is not None else f"v{version}-newest-{rows}-until-{files[-1].time}"
        wanted = drawn if batch is None else [drawn[i * found // rows] for i in range(rows)]
        return PredictionWindow(name, _rows_at(wanted, read), len(names) - first)

    def read_asked(self, batch: str | None = None) -> pd.DataFrame:
        """What all versions were asked, in the order of versions and time, repeats and all; ``batch`` takes those of one name.

        Columns ``input``, and ``keep:COLUMN`` for each that some of the rows came with ("" where a row came without). Raises
        DataError for a batch that is not there.
        """
        import pandas as pd

        versions = sorted(path.name for path in self.folder.glob("*") if path.is_dir())
        files = [file for version in versions for file in self._files(version)]
        if batch is not None and not any(file.batch == batch for file in files):
            known = ", ".join(sorted({file.batch for file in files})) or "none"
            raise DataError(f"prediction log {self.folder}: expected batch '{batch}', found: {known}")
        parts = [_read_asked(file.path) for file in files if batch in (None, file.batch)]
        asked = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"input": []})
        return asked.fillna(dict.fromkeys(kept_columns(asked), ""))

    def count(self, version: str, *, until: datetime | None = None, group: str | None = None, enough: int | None = None) -> int:
        """Rows that this version answered, up to ``until``, or different values of the kept column ``group`` among them.

        Files are read from the newest on, their footers or that column, until they hold ``enough``.
        """
        return len({name for _, groups in _newest(self._until(version, until), enough, group) for name in groups})

    def dated_after(self, version: str, now: datetime) -> tuple[str, ...]:
        """Batches of this version that a clock which is wrong has dated later than ``now``."""
        early = {file.content for file in self._until(version, now)}
        return tuple(file.batch for file in self._files(version) if file.content not in early)

    def _until(self, version: str, until: datetime | None) -> list[_LogFile]:
        return [file for file in self._files(version) if until is None or file.time <= _stamp(until)]

    def _files(self, version: str) -> list[_LogFile]:
        """Files of a version, oldest first, each content once (two writers may have raced)."""
        found: dict[str, _LogFile] = {}
        for path in sorted((self.folder / version).glob("*.parquet")):
            if match := FILE_NAME.fullmatch(path.name):
                found.setdefault(match["hash"], _LogFile(path, match["time"], match["hash"], match["batch"]))
        return list(found.values())


@dataclass(frozen=True)
class PredictionWindow:
    """Rows of the log that are compared with the reference."""

    name: str
    rows: pd.DataFrame
    drawn_from: int
    """rows of the log; more than ``rows`` where they are drawn, one a group or evenly"""


@dataclass(frozen=True)
class _LogFile:
    path: Path
    time: str
    content: str
    batch: str


def _stamp(time: datetime) -> str:
    """As a file's name begins; the order of names is that of times."""
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%S%f}Z"


def _newest(files: Sequence[_LogFile], rows: int | None, group: str | None) -> list[tuple[_LogFile, list[str]]]:
    """The last of the files that hold rows of so many groups, or all; with the group of each of their rows."""
    kept: list[tuple[_LogFile, list[str]]] = []
    seen: set[str] = set()
    for file in reversed(files):
        if rows is not None and len(seen) >= rows:
            break
        kept.insert(0, (file, _groups(file, group)))
        seen.update(kept[0][1])
    return kept


def _groups(file: _LogFile, column: str | None) -> list[str]:
    """The group of each row; one of its own where ``column`` is None, or says nothing."""
    alone = [f"{file.content} {row}" for row in range(_rows(file.path))]
    values = None if column is None else _read_kept(file.path, column)
    return alone if values is None else group_names(values, alone)


def _rows_at(wanted: Sequence[int], read: Sequence[tuple[_LogFile, list[str]]]) -> pd.DataFrame:
    """The rows at these places, ascending, of files one after another."""
    import pandas as pd

    starts = itertools.accumulate((len(groups) for _, groups in read), initial=0)
    places = [
        (file.path, [row - start for row in wanted if start <= row < start + len(groups)])
        for (file, groups), start in zip(read, starts, strict=False)
    ]
    return pd.concat([_read(path, each) for path, each in places if each], ignore_index=True)


def _rows(path: Path) -> int:
    import pyarrow.parquet as pq

    with _undamaged(path):
        return int(pq.read_metadata(path).num_rows)


def _read(path: Path, wanted: Sequence[int]) -> pd.DataFrame:
    """The rows at these places, ascending; of a file's parts only those are read that hold one."""
    import pandas as pd
    import pyarrow.parquet as pq

    with _undamaged(path), pq.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names)
        parts: list[pd.DataFrame] = []
        start = 0
        for number in range(file.num_row_groups):
            end = start + file.metadata.row_group(number).num_rows
            if places := [row - start for row in wanted if start <= row < end]:
                parts.append(file.read_row_group(number).take(places).to_pandas())
            start = end
    return pd.concat(parts, ignore_index=True)


def _read_asked(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    with _undamaged(path), pq.ParquetFile(path) as file:
        _check_columns(path, file.schema_arrow.names)
        wanted = ["input", *kept_columns(file.schema_arrow.names)]
        found: pd.DataFrame = file.read(columns=wanted).to_pandas()
    return found


def _read_kept(path: Path, column: str) -> list[str] | None:
    """A kept column; None where the rows came without."""
    import pyarrow.parquet as pq

    with _undamaged(path), pq.ParquetFile(path) as file:
        name = f"{KEPT}{column}"
        return file.read(columns=[name])[name].to_pylist() if name in file.schema_arrow.names else None


def _check_columns(path: Path, found: Sequence[str]) -> None:
    if missing := [name for name in COLUMNS if name not in found]:
        raise DataError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, found no {', '.join(missing)}; it is of another version of "
            "Rootstock or of another tool: move it away"
        )


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: expected a file of the prediction log, found it damaged ({error}); move it away") from error
