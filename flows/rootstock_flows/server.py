"""The embedded Prefect server: what a killed run leaves of it, and what its failures look like to the user."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rootstock.errors import RootstockError, ServiceError

if TYPE_CHECKING:
    import psutil

#: In the environment of an embedded server: id of the process that started it, which is its parent as long as that lives.
OWNER = "ROOTSTOCK_RUN_PID"


#: What Prefect says, without a type of its own, of a server that it started and that did not answer in time.
NOT_STARTED = "ephemeral Prefect API server"
#: The same of a server that the environment names, which is not there or is of another major version.
NOT_USABLE = ("Failed to reach API", "incompatible versions")


@contextlib.contextmanager
def embedded() -> Iterator[None]:
    """Around a run: end the servers of killed runs before it, and let what went wrong reach the user as what it was.

    Prefect reports a failure to its server before it raises it; where the server went first, as at Ctrl-C, which the terminal sends
    to both, that report fails too, and the cause stands behind it.
    """
    import httpx

    away = (httpx.HTTPError, httpx.InvalidURL)
    reap()
    os.environ[OWNER] = str(os.getpid())
    try:
        yield
    except Exception as error:
        cause = _cause(error)
        if cause is not None:
            raise cause from None
        # Prefect's first call fails as a RuntimeError that names the server, with what httpx said as its cause.
        if isinstance(error, away) or isinstance(error.__cause__, away):
            raise ServiceError(f"the Prefect server did not answer: {error}; run the same command again, it goes on") from error
        if isinstance(error, RuntimeError) and (said := _of_server(str(error))) is not None:
            raise ServiceError(said) from error
        raise


def _of_server(message: str) -> str | None:
    """What an error without a type of its own says of the server; None where it is about something else."""
    if NOT_STARTED in message:
        return (
            f"the embedded Prefect server on {os.environ.get('PREFECT_HOME', 'PREFECT_HOME')} did not start; look whether its disk "
            "is full or its prefect.db damaged (without that file a run goes on too: stages are kept elsewhere), then run the same "
            "command again"
        )
    if any(said in message for said in NOT_USABLE):
        return (
            f"the server that PREFECT_API_URL names cannot be used: {message}; start it, or unset PREFECT_API_URL for an embedded "
            "one, then run the same command again"
        )
    return None


def orphans() -> list[psutil.Process]:
    """Servers on this ``PREFECT_HOME`` whose run was killed; a server whose run is alive is none."""
    import psutil

    home = os.environ.get("PREFECT_HOME")
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # processes of other users, and those that end while they are looked at
            settings = process.environ()
            is_server = "PREFECT__SERVER_EPHEMERAL" in settings and settings.get("PREFECT_HOME") == home
            if is_server and settings.get(OWNER) not in (None, str(process.ppid())):
                found.append(process)
    return found


def reap() -> tuple[int, ...]:
    """End the servers on this ``PREFECT_HOME`` whose run was killed; their ids. A server whose run is alive is left alone."""
    import psutil

    ended = []
    for process in orphans():
        with contextlib.suppress(psutil.Error):
            process.terminate()
            ended.append(process)
    _, alive = psutil.wait_procs(ended, timeout=10)
    for process in alive:
        process.kill()
    return tuple(process.pid for process in ended)


def _cause(error: BaseException) -> BaseException | None:
    """Rootstock's own error or the interruption behind what Prefect raised, if there is one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RootstockError | KeyboardInterrupt):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
