"""The run's answer as one JSON document."""

from __future__ import annotations

from typing import Any, Literal

from rootstock.records import (
    EvalReport,
    GateVerdict,
    Incumbent,
    Ladder,
    PreparedData,
    Record,
    Registration,
    Resolution,
    Selection,
    SourceRanking,
    TrainedModel,
    TunedBackbone,
    ValidationReport,
)  # fmt: skip
from rootstock.registration import mlflow_registry as registry

from rootstock_flows.steps import Run

#: The document's name in the run's folder; it is written last.
RUN_FILE = "run.json"

Status = Literal["promoted", "promoted before", "challenger", "waiting", "refused", "invalid data", "unchanged"]

SECTIONS: dict[str, type[Record]] = {
    "incumbent": Incumbent, "validation": ValidationReport, "ranking": SourceRanking, "selection": Selection,
    "source_tuning": TunedBackbone, "training": TrainedModel, "ladder": Ladder, "evaluation": EvalReport,
    "verdict": GateVerdict, "registration": Registration,
}  # fmt: skip


def status_of(run: Run) -> Status:
    """How the run ended."""
    validation, registration = run.get(ValidationReport), run.get(Registration)
    if validation is not None and not validation.passed:
        return "invalid data"
    if registration is None or registration.version is None:
        return "refused"
    if registration.waits:
        return "waiting"
    if registration.alias != "champion":
        return "challenger"
    return "promoted" if _is_champion(registration, run.params.workspace) else "promoted before"


def _is_champion(registration: Registration, workspace: str) -> bool:
    """Whether it still is: a run that is gone through again gives the answer of then, and undoes no rollback since."""
    return registry.find_aliases(registry.tracking(workspace), registration.model).get("champion") == registration.version


def no_of(document: dict[str, Any]) -> str | None:
    """What a check said of the data, or the gates of the model, where a run's document ends with a no; None where it does not."""
    if document["status"] == "invalid data":
        failed = next(result for result in document["validation"]["results"] if not result["passed"])
        return f"{failed['dataset']}: check {failed['check']} failed: {failed['reason']}; see {document['report']}"
    return (
        f"{document['task']}: {document['verdict']['reason']}; see {document['report']}"
        if document["status"] == "refused"
        else None
    )


def run_document(run: Run, *, report: str) -> dict[str, Any]:
    """Every record of the run under its name; None for stages that a legal end left out."""
    resolution, prepared = run.get(Resolution), run.get(PreparedData)
    document: dict[str, Any] = {"task": run.params.task, "status": status_of(run), "run_key": run.run_key}
    document["params"] = run.params.model_dump(mode="json")
    document["data"] = {
        "revision": resolution.target.revision if resolution else None,
        "resolution": resolution.model_dump(mode="json") if resolution else None,
        "prepared": prepared.model_dump(mode="json") if prepared else None,
    }
    for name, kind in SECTIONS.items():
        record = run.records.get(kind)
        document[name] = record.model_dump(mode="json") if record else None
    document["scoring"] = run.scoring.model_dump(mode="json") if run.scoring else None
    return {**document, "seconds": run.seconds, "reused": run.reused, "report": report}


def records_of(document: dict[str, Any]) -> list[Record]:
    """The records that a run's document holds."""
    prepared = [PreparedData.model_validate(document["data"]["prepared"])] if document["data"]["prepared"] else []
    return [*prepared, *(kind.model_validate(document[name]) for name, kind in SECTIONS.items() if document[name])]
