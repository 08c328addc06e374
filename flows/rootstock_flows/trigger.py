"""What set a run off, in the words that its decision keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rootstock.stages import BY_HAND

FORCED = f"{BY_HAND}, forced"
SCHEDULE = "schedule"
#: Tag that Prefect gives to the runs of a schedule.
AUTO_SCHEDULED = "auto-scheduled"


def of_deployment(tags: list[str]) -> str:
    """Of a deployment's run, by its tags: its schedule, or somebody or something that started it in Prefect."""
    return SCHEDULE if AUTO_SCHEDULED in tags else "started in Prefect"


def of_watch(seen: Mapping[str, Any], *, otherwise: str) -> str:
    """Of a retraining, by what the watch saw and decided; ``otherwise`` where it would have waited."""
    decision = seen["decision"]
    if not decision["retrain"]:
        return f"{otherwise}; the watch would have waited: {decision['reason']}"
    drifted = seen["drift"] is not None and seen["drift"]["drifted"]
    return f"{'drift' if drifted else 'new data'}: {decision['reason']}"
