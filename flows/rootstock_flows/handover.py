"""What a flow hands to a worker, and what the worker tells it: files in the project folder, which both must see.

A job's folder holds ``job.json``, written by the flow; ``progress.json``, written by the worker after each stage; and ``beat``,
which changes as long as the worker's process lives.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rootstock.errors import ServiceError
from rootstock.files import write_text
from rootstock.records import Value

JOB_FILE = "job.json"
PROGRESS_FILE = "progress.json"
BEAT_FILE = "beat"
BEAT_SECONDS = 10.0


class Job(Value):
    """Stages to run, with all that they need."""

    token: str
    """made up for this job: a worker that reads another one, or none, sees another folder"""
    params: dict[str, Any]
    run_key: str
    stages: tuple[str, ...]
    """in the order in which they run"""
    folders: dict[str, str]
    """type of each record so far -> its folder, from the project folder"""
    code: dict[str, str]
    """``rootstock.stages.code_parts`` of the flow's process"""


class StageDone(Value):
    """How a worker did a stage."""

    stage: str
    host: str
    seconds: float
    reused: bool


class Progress(Value):
    """What a worker has done of a job so far."""

    done: tuple[StageDone, ...]


def read_job(folder: Path, *, token: str, host: str) -> Job:
    """The job in ``folder``. Raises ServiceError if it is another one or none: then this is not the folder that the flow sees."""
    path = folder / JOB_FILE
    found = Job.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None
    if found is None or found.token != token:
        what = "another job" if found else "nothing"
        raise not_shared(host, f"its job in {path.absolute()}", found=what)
    return found


def not_shared(host: str, expected: str, *, found: str) -> ServiceError:
    """The error of a worker that sees other files than the flow does."""
    return ServiceError(
        f"worker {host} does not see the flow's workspace: expected {expected}, found {found}; the worker and the flow must share "
        "the project folder, as on one volume, under the same path"
    )


def require_same_code(job: Job, code: dict[str, str], *, host: str) -> None:
    """Raise ServiceError, naming what differs, if the worker would compute with other code than the flow's."""
    differing = [name for name in job.code if code.get(name) != job.code[name]]
    if differing:
        said = ", ".join(f"{name} {_short(code.get(name))} (expected {_short(job.code[name])})" for name in differing)
        raise ServiceError(f"worker {host} has other code than the flow: {said}; install the same Rootstock and its lock there")


def _short(version: str | None) -> str:
    return version[:12] if version else "none"


def write_progress(folder: Path, done: tuple[StageDone, ...]) -> None:
    """Tell what is done."""
    write_text(folder / PROGRESS_FILE, Progress(done=done).model_dump_json(indent=1) + "\n")


def read_progress(folder: Path) -> tuple[StageDone, ...]:
    """What is done so far; nothing while the worker has not said anything."""
    path = folder / PROGRESS_FILE
    return Progress.model_validate_json(path.read_text(encoding="utf-8")).done if path.is_file() else ()


def read_beat(folder: Path) -> str:
    """Anything; another text than last time if the worker has lived since."""
    path = folder / BEAT_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@contextlib.contextmanager
def beating(folder: Path, *, every: float = BEAT_SECONDS) -> Iterator[None]:
    """Let the beat change every so many seconds, from a thread, until the block ends."""
    over = threading.Event()

    def beat() -> None:
        count = 0
        while not over.wait(every):
            count += 1
            with contextlib.suppress(OSError):  # a flow that is done has removed the folder
                unread = folder / f".{BEAT_FILE}"
                unread.write_text(str(count), encoding="utf-8")
                unread.replace(folder / BEAT_FILE)  # who reads meanwhile finds the last beat, not an empty file

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
