"""Settings of the outside tools, made before any of them is imported.

Unset, everything is embedded in the workspace and nothing is sent anywhere. What is already set in the environment is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

#: Every opt-out there is; DVC does not read DO_NOT_TRACK.
PRIVACY = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GX_ANALYTICS_ENABLED": "false",
}

#: One line an error is Rootstock's own business; the tools' logs would bury it.
QUIET = {
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",  # twice the rows a second on a busy machine, measured
    "OPENBLAS_NUM_THREADS": "1",  # small matrices: waiting threads cost four times the work, measured
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "ALEMBIC_LOGGING_LEVEL": "ERROR",
}

PREFECT = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
}


def opt_out() -> None:
    """Switch telemetry off and logs down."""
    for name, value in {**PRIVACY, **QUIET}.items():
        os.environ.setdefault(name, value)


def embed(workspace: str) -> None:
    """Keep Prefect's database and results in the workspace, unless a server or a home is named in the environment."""
    opt_out()
    for name, value in PREFECT.items():
        os.environ.setdefault(name, value)
    if os.environ.get("PREFECT_API_URL"):  # one left empty, as compose files do, names no server
        os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "8")  # a server may be away for a while
    else:
        os.environ.pop("PREFECT_API_URL", None)
        os.environ.setdefault("PREFECT_HOME", str(Path(workspace).resolve() / "prefect"))
        # An embedded server that is gone stays gone, but one whose database is busy says 503 for some seconds.
        os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")
