"""The exception tree: everything Rootstock raises on purpose, and the exit code each branch ends a command with.

RootstockError
├── InputError        2  the user can mend it: parameters, data, files
│   ├── ParamsError      params.yaml or --set
│   ├── DataError        rows, columns, labels, the data registry
│   ├── BackboneError    a pretrained model that is not there or cannot be used
│   ├── BusyError        another process is running this task
│   └── StorageError     the disk is full or may not be written
├── Refusal           1  a check, a gate or a budget said no
└── ServiceError      3  an outside service failed

A message is one line: what was expected, what was found, where, and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class RootstockError(Exception):
    """Root of the tree. ``exit_code`` is what the command line ends with."""

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class InputError(RootstockError):
    """The input is wrong and the user can mend it."""


class ParamsError(InputError):
    """``params.yaml`` or a ``--set`` override is wrong; the message holds the full path of the key."""


class DataError(InputError):
    """Rows, columns, labels or the data registry are not as they must be."""


class BackboneError(InputError):
    """A pretrained model is missing, unreadable, or in a format that is refused."""


class BusyError(InputError):
    """Another process holds the task."""


class StorageError(InputError):
    """A file could not be written; what was there before is unchanged."""


class Refusal(RootstockError):
    """A check, a gate or a budget said no."""

    exit_code: ClassVar[int] = 1


class ServiceError(RootstockError):
    """A service outside Rootstock failed or did not answer."""

    exit_code: ClassVar[int] = 3


def unknown_name(kind: str, found: object, known: Iterable[str]) -> str:
    """One line for a name that is not known: the known ones, and the nearest if it looks like a slip."""
    names = sorted(known)
    near = difflib.get_close_matches(str(found), names, n=1)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    return f"unknown {kind} '{found}'; known: {', '.join(names) or 'none'}{hint}"


def first_line(error: Exception) -> str:
    """What another library says of an error, cut to a line that fits into one of ours."""
    return str(error).partition("\n")[0][:200]
