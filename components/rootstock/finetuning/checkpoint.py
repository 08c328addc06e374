"""What training goes on from after it was stopped: weights, optimizer, schedule, random state, and its place in the epoch."""

from __future__ import annotations

import contextlib
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from rootstock import processes
from rootstock.files import write_file

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Checkpoint:
    """One training's file. Written whole or not at all; gone once the training is finished."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.seconds = path, seconds
        self._last = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state last written, or None; a file that cannot be read is passed over, and training starts anew.

        Of several processes all read it, or none does.
        """
        found = self._read()
        return found if all(processes.gathered(found is not None)) else None

    def _read(self) -> dict[str, Any] | None:
        import pickle

        import torch

        if self.path.is_file():
            with contextlib.suppress(RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError):
                found: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
                return found
        return None

    def due(self) -> bool:
        """Whether so many seconds have passed since the last one, by the clock of the first process."""
        return processes.is_first() and time.monotonic() - self._last >= self.seconds

    def write(self, state: dict[str, Any]) -> None:
        """Replace what was kept; the first of several processes does, and the others wait for it."""
        import torch

        if processes.is_first():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_file(self.path, lambda temporary: torch.save(state, temporary))
            self._last = time.monotonic()
        processes.wait()


def forget(folder: Path) -> None:
    """Remove the checkpoints of a stage that is done with them; the first of several processes does."""
    if processes.is_first():
        shutil.rmtree(folder, ignore_errors=True)


class Stop:
    """Set by a signal that arrived in the middle of a step; ``obey`` does then what it would have done at once."""

    def __init__(self) -> None:
        self._asked: tuple[int, FrameType | None] | None = None
        self._before: dict[int, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether to end after this step."""
        return self._asked is not None

    def obey(self, *, others: bool = False) -> None:
        """Pass the signal on to whoever listened before; ``others``: one that another of several processes got counts as well."""
        if self._asked is None and others:
            self._asked = signal.SIGTERM, None
        if self._asked is None:
            return
        (number, frame), self._asked = self._asked, None
        before = self._before.get(number, signal.SIG_DFL)
        if callable(before):
            before(number, frame)
        elif before != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        self._asked = (number, frame)

    @contextlib.contextmanager
    def listening(self, *, wanted: bool) -> Iterator[None]:
        """Put signals off until ``obey``, where this is the thread that gets them."""
        if not wanted or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {number: signal.getsignal(number) for number in STOPPING}
        for number, before in self._before.items():
            if before is not None:
                signal.signal(number, self.note)
        try:
            yield
        finally:
            for number, before in self._before.items():
                if before is not None:
                    signal.signal(number, before)
            self.obey()
