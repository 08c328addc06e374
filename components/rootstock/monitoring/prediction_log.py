"""The prediction log: what the champion was asked, and what it answered.

One Parquet file a batch, written under a temporary name and renamed, never changed afterwards::

    <workspace>/predictions/<model>/<version>/<UTC time>-<content hash>--<batch>.parquet

A batch cut short leaves nothing, writers need no lock, and time order is name order. The same rows logged again under one batch
name and version count once: a batch that is run again after a crash is no new evidence of drift.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import input_hash
from rootstock.errors import DataError
from rootstock.files import sha256_of_json, write_file

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
        """Add a batch of scored rows (see scored_rows.py); answer its file.

        Raises DataError for a batch name that is no file name, or no rows; StorageError if the disk is full.
        """
        if not BATCH_NAME.fullmatch(batch):
            raise DataError(
                f"prediction log: expected a batch name of at most {LONGEST_BATCH} letters, digits and . _ -, found '{batch}'; "
                "choose another"
            )
        if rows.empty:
            raise DataError(f"prediction log: expected rows in batch '{batch}', found none")
        content = sha256_of_json([list(rows["id"]), [input_hash(value) for value in rows["input"]], version, batch])[:16]
        for file in self._files(version):
            if file.content == content:
                return file.path
        path = self.folder / version / f"{_stamp(now)}-{content}--{batch}.parquet"
        logged = rows.assign(version=version, time=now.astimezone(UTC).isoformat(), batch=batch)
        write_file(path, lambda temporary: logged.to_parquet(temporary, index=False))
        return path

    def read_window(self, *, version: str, rows: int, batch: str | None = None, until: datetime | None = None) -> PredictionWindow:
        """The newest ``rows`` rows that this version answered, oldest first, or as many spread evenly over one named batch.

        The newest are those up to ``until``: what a wrong clock dated into the future would stay the newest for as long.
        Raises DataError if there are fewer: how many there are, and how many are needed.
        """
        import pandas as pd

        files = self._until(version, until) if batch is None else [file for file in self._files(version) if file.batch == batch]
        if batch is not None and not files:
            known = ", ".join(sorted({file.batch for file in self._files(version)})) or "none"
            raise DataError(f"prediction log {self.folder}: expected batch '{batch}' of version {version}, found: {known}")
        parts: list[pd.DataFrame] = []
        for file in reversed(files):
            if batch is None and sum(map(len, parts)) >= rows:
                break
            parts.insert(0, _read(file.path))
        found = sum(map(len, parts))
        if found < rows:
            where = f"batch '{batch}'" if batch else f"the log of version {version}"
            raise DataError(
                f"prediction log {self.folder}: expected at least {rows} rows (monitoring.window_rows) in {where}, found {found}; "
                "predict more rows first, or lower monitoring.window_rows"
            )
        frame = pd.concat(parts, ignore_index=True)
        if batch is None:
            frame = frame.tail(rows)
            name = f"v{version}-newest-{rows}-until-{files[-1].time}"
        else:
            frame = frame.iloc[[i * found // rows for i in range(rows)]]
            name = batch
        return PredictionWindow(name, frame.reset_index(drop=True))

    def read_inputs(self, batch: str | None = None) -> list[str | bytes]:
        """What all versions were asked, in the order of versions and time, repeats and all; ``batch`` takes those of one name.

        Raises DataError for a batch that is not there.
        """
        versions = sorted(path.name for path in self.folder.glob("*") if path.is_dir())
        files = [file for version in versions for file in self._files(version)]
        if batch is not None and not any(file.batch == batch for file in files):
            known = ", ".join(sorted({file.batch for file in files})) or "none"
            raise DataError(f"prediction log {self.folder}: expected batch '{batch}', found: {known}")
        return [value for file in files if batch in (None, file.batch) for value in _read(file.path)["input"]]

    def count(self, version: str, *, until: datetime | None = None) -> int:
        """Rows that this version answered, up to ``until``; reads the files' footers only."""
        import pyarrow.parquet as pq

        total = 0
        for file in self._until(version, until):
            with _damage(file.path):
                total += pq.read_metadata(file.path).num_rows
        return total

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


@dataclass(frozen=True)
class _LogFile:
    path: Path
    time: str
    content: str
    batch: str


def _stamp(time: datetime) -> str:
    """As a file's name begins; the order of names is that of times."""
    return f"{time.astimezone(UTC):%Y%m%dT%H%M%S%f}Z"


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    with _damage(path):
        rows = pd.read_parquet(path)
    if missing := [name for name in COLUMNS if name not in rows.columns]:
        raise DataError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, found no {', '.join(missing)}; it is of another version of "
            "Rootstock or of another tool: move it away"
        )
    return rows


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: expected a file of the prediction log, found it damaged ({error}); move it away") from error
