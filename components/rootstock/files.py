"""Content hashes and atomic writes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rootstock.errors import InputError, StorageError

CHUNK_BYTES = 1 << 20
BYTE_ORDER_MARK = "\ufeff"
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
#: What is said of a path on which something else stands, or whose name is too long.
PLACE_ERRORS = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG)
SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, or of a folder's relative names and file hashes in sorted order."""
    if path.is_dir():
        inner = [(p.relative_to(path).as_posix(), sha256_of(p)) for p in sorted(path.rglob("*")) if p.is_file()]
        return sha256_of_json(inner)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(CHUNK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_source(folder: Path) -> str:
    """sha256 over the Python, template and table files below a package's folder."""
    kept = sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".jinja", ".css", ".csv"})
    return sha256_of_json([(path.relative_to(folder).as_posix(), sha256_of(path)) for path in kept])


def sha256_of_json(value: object) -> str:
    """sha256 of a value's canonical JSON: sorted keys, no blanks."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk, and a place where something else stands, into a one-line StorageError that names the path."""
    try:
        yield
    except Exception as error:
        if reason := _refused_by_disk(error):
            raise StorageError(
                f"cannot write {path}: {reason}; nothing was changed; free some space or choose another folder, "
                "then run the same command again"
            ) from error
        if reason := _refused_by_place(error, path):
            raise StorageError(f"cannot write {path}: {reason}; nothing was changed; choose another name or folder") from error
        raise


def _refused_by_disk(error: Exception) -> str | None:
    """What the disk said, where that is why writing failed; safetensors and NumPy say it without an error number."""
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return str(error.strerror)
    message = str(error)
    if isinstance(error, OSError) and SHORT_WRITE.fullmatch(message):
        return f"the disk took only a part ({message})"
    return next((os.strerror(code) for code in DISK_ERRORS if f"(os error {code})" in message), None)


def _refused_by_place(error: Exception, path: Path) -> str | None:
    """What stands in the way of writing to ``path``: beside, above or below it; an error of another path says nothing of it."""
    if not isinstance(error, OSError) or error.errno not in PLACE_ERRORS or not isinstance(error.filename, str | Path):
        return None
    named, place = Path(error.filename).absolute(), path.absolute()
    if not (place.is_relative_to(named) or named.is_relative_to(place.parent)):
        return None
    return str(error.strerror) if named == place else f"{error.filename}: {error.strerror}"


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary name beside ``path``, then rename it into place.

    Raises StorageError if the disk is full or something else stands there; an older file of that name is then still whole.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o644)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` if the block succeeds, and vanishes if it does not."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary.chmod(0o755)
        try:
            yield temporary
            if path.exists():
                older = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
                path.replace(older)
                temporary.replace(path)
                shutil.rmtree(older)
            else:
                temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def read_utf8(path: Path) -> str:
    """Text of a UTF-8 file. Raises InputError naming the byte and line that is not UTF-8, or a missing file."""
    if not path.is_file():
        raise InputError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'nothing'}; check the path")
    data = path.read_bytes()
    try:
        return data.decode("utf-8").removeprefix(BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: expected UTF-8 text, found byte 0x{data[error.start]:02x} at line {line} (byte {error.start}); "
            "convert the file to UTF-8 and try again"
        ) from error
