"""What every record is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from rootstock.errors import DataError
from rootstock.files import sha256_of, sha256_of_json, write_text

RECORD_FILE = "record.json"

Verdict = Literal["pass", "fail", "inconclusive"]


class Value(BaseModel):
    """Base of everything inside a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Artifact(Value):
    """A file or folder by path and content."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Name what stands at ``path`` now."""
        return cls(path=path.as_posix(), sha256=sha256_of(path))

    def damage(self) -> str | None:
        """Why this is no longer what was recorded, or None."""
        path = Path(self.path)
        if not path.exists():
            return f"{self.path} is gone"
        return None if sha256_of(path) == self.sha256 else f"{self.path} was changed"


class Record(Value):
    """A stage's result."""

    def save(self, folder: Path) -> None:
        """Write ``record.json`` atomically; call it last."""
        write_text(folder / RECORD_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved record. Raises DataError naming the file if it is missing or not of this type."""
        path = folder / RECORD_FILE
        if not path.is_file():
            raise DataError(f"{path}: expected a {cls.__name__}, found nothing; run the stage that makes it first")
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:  # pydantic's, or bytes that are no UTF-8
            raise DataError(f"{path}: not a {cls.__name__} of this version; run the stage again") from error

    def sha256(self) -> str:
        """Hash of what the record says, free of where it is stored and how long it took."""
        return sha256_of_json(_content(self.model_dump(mode="json")))

    def artifacts(self) -> Iterator[Artifact]:
        """Every file the record names, at any depth."""
        yield from _artifacts(self)

    def damage(self) -> tuple[str, ...]:
        """What is no longer as it was recorded: missing or changed files."""
        return tuple(reason for artifact in self.artifacts() if (reason := artifact.damage()))


#: Keys that say where or how fast, not what: they take no part in a record's hash.
INCIDENTAL_KEYS = frozenset({"path", "seconds", "peak_mib", "rows_per_second", "cost"})


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _content(inner) for key, inner in value.items() if key not in INCIDENTAL_KEYS}
    return [_content(inner) for inner in value] if isinstance(value, list) else value


def _artifacts(value: object) -> Iterator[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, Value):
        for field in type(value).model_fields:
            yield from _artifacts(getattr(value, field))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _artifacts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _artifacts(inner)


class Measure(Value):
    """A number with its interval; direction and unit travel with it."""

    value: float
    low: float
    high: float
    n: int
    unit: str
    higher_is_better: bool


def load_json(path: Path) -> Any:
    """Parse a JSON file; a DataError names it if it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, found {error}; delete it and run again") from error
