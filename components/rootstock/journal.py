"""The journal: one append-only chain of numbered entries in the workspace, in which every decision stands with its evidence.

``journal/000017.json`` names the sha256 of ``journal/000016.json``, so no entry can be changed, taken out or put in without the
ones after it saying so. A file of a number is made by a hard link, which the file system does for one process only: an append
that names the head it has seen is a compare-and-set, on a local disk and on a shared one. The chain shows a change; it does not
prevent one: who may write the folder can write the whole chain anew, or cut its end, and only a hash kept elsewhere shows that.
"""

from __future__ import annotations

import datetime
import errno
import getpass
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstock.errors import BusyError, DataError, StorageError
from rootstock.files import sha256_of, storage_errors
from rootstock.records import Value

FOLDER = "journal"
#: What the first entry names as the one before it.
GENESIS = "0" * 64
_NAME = re.compile(r"(\d{6})\.json")


class Entry(Value):
    """One thing that happened."""

    number: int
    """from 1 on, without gaps"""
    kind: str
    """such as ``decision``, ``promotion``, ``rollback``, ``drift``"""
    created: str
    """UTC, ISO 8601"""
    by: str
    """user and machine"""
    facts: dict[str, Any]
    """what happened and what it rests on; its keys are the kind's own"""
    previous_sha256: str
    """of the file of the entry before"""


class HeadMoved(BusyError):
    """Another process appended in the meantime; look again before deciding."""


def journal_folder(workspace: str) -> Path:
    """Where the journal of a workspace lies."""
    return Path(workspace) / FOLDER


def append(workspace: str, kind: str, facts: Mapping[str, Any], *, after: int | None, by: str | None = None) -> Entry:
    """Append an entry and return it; on disk when this returns.

    ``after`` is the number of the last entry that the caller has seen (0 for an empty journal): if there is a later one by now,
    nothing is written and HeadMoved is raised. None appends after whatever is there. Raises StorageError for a full disk.
    """
    folder = journal_folder(workspace)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            number = head(workspace)
            if after is not None and number != after:
                raise HeadMoved(f"{folder}: expected entry {after} to be the last, found {number}; run the same command again")
            entry = Entry(
                number=number + 1,
                kind=kind,
                created=datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
                by=by or signature(),
                facts=dict(facts),
                previous_sha256=sha256_of(_path(folder, number)) if number else GENESIS,
            )
            if write_once(_path(folder, entry.number), entry.model_dump_json(indent=2) + "\n"):
                return entry


def write_once(path: Path, text: str) -> bool:
    """Write a new file, whole and on disk, in a folder that is there; False if there is one of that name, which stays as it was.

    Of any number of processes that try, one succeeds. Raises StorageError where the file system knows no hard links.
    """
    handle, name = tempfile.mkstemp(prefix=".once.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o444)
        try:
            os.link(temporary, path)
        except FileExistsError:
            if temporary.stat().st_nlink < 2:  # otherwise it is this link: a network file system may ask twice and answer once
                return False
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise StorageError(
                    f"cannot write {path}: its file system knows no hard links; put the workspace elsewhere"
                ) from error
            raise
        _to_disk(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _to_disk(folder: Path) -> None:
    """Make a new name in a folder outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def head(workspace: str) -> int:
    """Number of the last entry; 0 where there is none."""
    return max(_numbers(journal_folder(workspace)), default=0)


def read_journal(workspace: str) -> tuple[Entry, ...]:
    """All entries, oldest first. Raises DataError naming the first file that is missing or is no entry; hashes are ``verify``'s."""
    folder = journal_folder(workspace)
    return tuple(_read(_path(folder, number), number) for number in range(1, head(workspace) + 1))


def newest_first(workspace: str) -> Iterator[Entry]:
    """Entries from the last back to the first, each read when it is asked for. Raises DataError like ``read_journal``."""
    folder = journal_folder(workspace)
    for number in range(head(workspace), 0, -1):
        yield _read(_path(folder, number), number)


def verify_journal(workspace: str) -> tuple[str, ...]:
    """What is wrong with the chain, a line for each entry that was changed or is gone; empty for a whole one.

    An entry is judged by the hash that the one after it names, as long as that one is itself what its own successor names. The
    last entry has none after it: keep ``head_sha256`` elsewhere to notice that it, or a whole end, is gone.
    """
    folder = journal_folder(workspace)
    last = head(workspace)
    found: dict[int, str] = {0: GENESIS}
    named: dict[int, str] = {}
    faults: dict[int, str] = {}
    for number in range(1, last + 1):
        path = _path(folder, number)
        found[number] = sha256_of(path) if path.is_file() else "nothing"
        try:
            named[number] = _read(path, number).previous_sha256
        except DataError as error:
            faults[number] = str(error)
    broken = {number for number, sha256 in named.items() if sha256 != found[number - 1]}
    for number in sorted(broken):
        if number + 1 in broken or number == 1:
            faults.setdefault(number, f"{_path(folder, number)}: entry {number} was changed: nor does it fit the one before")
        else:
            said = f"entry {number} names sha256 {named[number][:12]}, found {found[number - 1][:12]}"
            which = f"entry {number - 1}" if number < last else f"entry {number - 1}, or entry {number} after it,"
            faults.setdefault(number - 1, f"{_path(folder, number - 1)}: {which} was changed: {said}")
    return tuple(faults[number] for number in sorted(faults))


def sha256_of_entry(workspace: str, number: int) -> str | None:
    """sha256 of an entry's file; None where there is no such entry."""
    path = _path(journal_folder(workspace), number)
    return sha256_of(path) if path.is_file() else None


def head_sha256(workspace: str) -> str:
    """sha256 of the last entry's file, by which the registry can tell a cut or changed end."""
    number = head(workspace)
    return sha256_of(_path(journal_folder(workspace), number)) if number else GENESIS


def signature() -> str:
    """The user and the machine, as an entry names them."""
    return f"{user_name()}@{socket.gethostname()}"


def user_name() -> str:
    """The user, by number where the system has no name for it, as in a container that runs under any user id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return f"uid-{os.getuid()}"


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return [int(match[1]) for name in os.listdir(folder) if (match := _NAME.fullmatch(name))]


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _read(path: Path, number: int) -> Entry:
    if not path.is_file():
        raise DataError(f"{path}: expected entry {number} of the journal, found nothing; restore it from a backup")
    try:
        entry = Entry.model_validate_json(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: expected an entry of the journal, found something else; restore it from a backup") from error
    if entry.number != number:
        raise DataError(f"{path}: expected entry {number} of the journal, found {entry.number}; restore it from a backup")
    return entry
