"""An alarm of the watch, or its decision to retrain, as an entry of the journal."""

from __future__ import annotations

from typing import Any

from rootstock.journal import Entry, append, read_journal
from rootstock.records import DriftReport, RetrainDecision

#: Kind of the journal's entries that hold an alarm.
DRIFT = "drift"


def record_alarm(
    report: DriftReport | None, decision: RetrainDecision, *, model: str, version: str, workspace: str
) -> Entry | None:
    """Append what drifted in the window and what was decided; None where nothing drifted and nothing is to be done.

    A window that is looked at again and says the same is one alarm. ``version`` is the champion that was watched.
    """
    drifted = [result for result in report.results if result.drifted] if report is not None else []
    if not drifted and not decision.retrain:
        return None
    facts: dict[str, Any] = {
        "model": model,
        "version": version,
        "window": decision.window,
        "rows": report.rows if report is not None else 0,
        "drifted": [result.model_dump(mode="json") for result in drifted],
        "retrain": decision.retrain,
        "reason": decision.reason,
        "data_revision": decision.data_revision,
    }
    if any(entry.kind == DRIFT and entry.facts == facts for entry in read_journal(workspace)):
        return None
    return append(workspace, DRIFT, facts, after=None)
