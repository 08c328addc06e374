"""The lease: one command at a time moves the aliases of a workspace's models.

``journal/lease.000012.json`` is the twelfth lease. The highest number counts and its file is never removed, only written over
when it is given back; so a number is taken once, by one process (see ``journal.write_once``), and a process that comes late with
an old number finds a higher one.

What this cannot do: a process that is stopped for longer than its lease and goes on afterwards asks whether the lease is still its
own before each write, but between the question and the write somebody else may have taken it over. The journal's compare-and-set
keeps two intents from starting at one state all the same, and an alias written too late is reported as moved outside by the
next command. Leases compare the clocks of their machines: these must agree to a small part of ``registration.lease_seconds``.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstock.errors import BusyError, StorageError
from rootstock.files import storage_errors, write_text
from rootstock.journal import journal_folder, user_name, write_once
from rootstock.records import Value
from rootstock.registration import steps

_NAME = re.compile(r"lease\.(\d{6})\.json")
#: Seconds between two looks at a lease that is held, at most.
POLL_SECONDS = 0.1


class Holder(Value):
    """Who has a lease."""

    user: str
    host: str
    pid_namespace: str
    """in which ``pid`` means something; containers of one host have their own"""
    pid: int
    started: float | None
    """when the process began, by which another one that got its number later is told apart"""
    token: str
    expires: float
    """seconds since 1970"""
    released: bool


@dataclass(frozen=True)
class Lease:
    """A lease that this process has taken."""

    folder: Path
    number: int
    holder: Holder

    def check(self) -> None:
        """Raise BusyError if the lease has run out or somebody else has taken it over; call it before each write."""
        if time.time() >= self.holder.expires or _newest(self.folder) != self.number:
            raise BusyError(
                f"{_path(self.folder, self.number)}: the lease ran out while this command was at work; what it intended is in the "
                "journal and the next command completes it; raise registration.lease_seconds if that happens again"
            )


@contextlib.contextmanager
def lease(workspace: str, *, seconds: float) -> Iterator[Lease]:
    """Hold the lease; waits for a live holder ``seconds`` at most.

    A lease that has run out, and one of a process of this machine that is dead, is taken over. Raises BusyError naming the holder
    when the waiting is over, StorageError if the journal's folder may not be written.
    """
    folder = journal_folder(workspace)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        taken = _take(folder, seconds)
    steps.reached("leased")
    try:
        yield taken
    finally:
        _give_back(taken)
    steps.reached("released")


def _take(folder: Path, seconds: float) -> Lease:
    deadline = time.monotonic() + seconds
    while True:
        number = _newest(folder)
        holder = _read(_path(folder, number))
        if holder is None or not _is_held(holder):
            mine = _signed(seconds)
            if write_once(_path(folder, number + 1), mine.model_dump_json(indent=1) + "\n"):
                if _newest(folder) == number + 1:
                    _remove_older(folder, number + 1)
                    return Lease(folder, number + 1, mine)
                _path(folder, number + 1).unlink(missing_ok=True)  # a number that was given up long since
        elif time.monotonic() > deadline:
            until = time.strftime("%H:%M:%S UTC", time.gmtime(holder.expires))
            raise BusyError(
                f"{_path(folder, number)}: expected to get the lease within {seconds:g} s, found it held by process {holder.pid} "
                f"({holder.user}@{holder.host}) until {until}; run the same command again"
            )
        else:
            time.sleep(random.uniform(0.1, 1.0) * POLL_SECONDS)


def _is_held(holder: Holder) -> bool:
    import psutil

    if holder.released or holder.expires <= time.time():
        return False
    if (holder.host, holder.pid_namespace) != (socket.gethostname(), _pid_namespace()):
        return True  # whether it lives cannot be seen from here
    try:
        return holder.started is None or psutil.Process(holder.pid).create_time() == holder.started
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _signed(seconds: float) -> Holder:
    import psutil

    return Holder(
        user=user_name(),
        host=socket.gethostname(),
        pid_namespace=_pid_namespace(),
        pid=os.getpid(),
        started=psutil.Process().create_time(),
        token=uuid.uuid4().hex,
        expires=time.time() + seconds,
        released=False,
    )


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _give_back(taken: Lease) -> None:
    path = _path(taken.folder, taken.number)
    if _newest(taken.folder) != taken.number:  # it was taken over in the meantime; a lower number harms nobody
        return
    with contextlib.suppress(StorageError):  # what was to be done is done or has failed by now, and the lease ends with the process
        write_text(path, taken.holder.model_copy(update={"released": True}).model_dump_json(indent=1) + "\n")


def _remove_older(folder: Path, number: int) -> None:
    for older in _numbers(folder):
        if older < number:
            _path(folder, older).unlink(missing_ok=True)


def _newest(folder: Path) -> int:
    return max(_numbers(folder), default=0)


def _numbers(folder: Path) -> list[int]:
    return [int(match[1]) for name in os.listdir(folder) if (match := _NAME.fullmatch(name))]


def _path(folder: Path, number: int) -> Path:
    return folder / f"lease.{number:06d}.json"


def _read(path: Path) -> Holder | None:
    """None where there is no such file any more, or it says nothing: then the lease is free."""
    try:
        return Holder.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
