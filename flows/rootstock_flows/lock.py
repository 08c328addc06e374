"""One run of a task at a time."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from rootstock.errors import BusyError
from rootstock.files import storage_errors, write_text


@contextlib.contextmanager
def only_run(task: str, workspace: str) -> Iterator[None]:
    """Hold the task, or raise BusyError saying which process does. The system lets go of it when a process is killed.

    Raises StorageError if the workspace may not be written, or is a file.
    """
    from filelock import FileLock, Timeout

    folder = Path(workspace) / "locks"
    holder = folder / f"{task}.json"
    try:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{task}.lock")
            lock.acquire(timeout=0)
    except Timeout as error:
        known = json.loads(holder.read_text(encoding="utf-8")) if holder.is_file() else {}
        raise BusyError(
            f"task {task}: process {known.get('pid', 'unknown')} is already running it in {workspace}; "
            "wait until it ends, or run in another workspace with --set workspace=FOLDER"
        ) from error
    try:
        write_text(holder, json.dumps({"pid": os.getpid()}) + "\n")
        yield
    finally:
        lock.release()
