"""The embedded Prefect server, and what a killed run leaves of it."""

from __future__ import annotations

import json
from pathlib import Path

from rootstock.files import write_text

STARTED_FILE = "embedded_server.json"


def reap(workspace: str) -> int | None:
    """End the server process of an embedded run that was killed; its id, or None.

    Only the very process that was written down is ended: same id, same start time.
    """
    import psutil

    path = Path(workspace) / "prefect" / STARTED_FILE
    if not path.is_file():
        return None
    known = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    try:
        process = psutil.Process(known["pid"])
        if process.create_time() != known["create_time"]:
            return None
        process.terminate()
        process.wait(timeout=10)
    except psutil.NoSuchProcess:
        return None
    except psutil.TimeoutExpired:
        process.kill()
    return int(known["pid"])


def note(workspace: str) -> None:
    """Write down the embedded server's process, once a flow runs, so that it can be ended if this process is killed."""
    import psutil
    from prefect.server.api.server import SubprocessASGIServer

    process = SubprocessASGIServer().server_process
    if process is not None:
        started = {"pid": process.pid, "create_time": psutil.Process(process.pid).create_time()}
        write_text(Path(workspace) / "prefect" / STARTED_FILE, json.dumps(started) + "\n")


def forget(workspace: str) -> None:
    """The run ended in order: its server ends with it."""
    (Path(workspace) / "prefect" / STARTED_FILE).unlink(missing_ok=True)
