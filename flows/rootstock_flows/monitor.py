"""The watch: a window of the prediction log beside the champion's reference, and the decision to retrain or not."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.events import emit_event
from rootstock.errors import DataError
from rootstock.monitoring.alarm import record_alarm
from rootstock.monitoring.decide import decide
from rootstock.monitoring.monitor import monitor_window
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.params import Params, parse_params
from rootstock.records import (
    RECORD_FILE,
    DriftReport,
    Incumbent,
    PreparedData,
    Resolution,
    RetrainDecision,
    Retraining,
    load_json,
)
from rootstock.registration.versions import find_version

from rootstock_flows import server
from rootstock_flows.document import RUN_FILE
from rootstock_flows.session import clean_output, open_project, say
from rootstock_flows.steps import Run

REVISION_TAG = "rootstock.data_revision"
DRIFT_EVENT = "rootstock.drift.detected"
#: Folder that a look after which a retraining came to its end holds.
RETRAINING = "retraining"


@dataclass(frozen=True)
class Look:
    """One look at a window: what was seen and what follows from it."""

    report: DriftReport | None
    """None while the prediction log holds no full window"""
    decision: RetrainDecision


@flow(name="rootstock-monitor", flow_run_name="watch", validate_parameters=False, log_prints=False)
def monitor(params: dict[str, Any], batch: str | None = None, now: str | None = None, announce: bool = True) -> dict[str, Any]:
    """Compare, decide, write both down; an event goes to the server when the decision is to retrain.

    Not so without ``announce``: a flow that carries the decision out itself would be started a second time by its own event.
    """
    parsed = parse_params(params, "params.yaml")
    look = look_at(parsed, batch=batch, now=datetime.fromisoformat(now) if now else datetime.now(UTC))
    if look.report is not None:
        page = Path(look.report.evidently_html.path).resolve().as_uri()
        create_link_artifact(key="drift-report", link=page, link_text=f"Evidently: {look.report.window}")
    create_markdown_artifact(
        key="retrain-decision", markdown=f"# {'retrain' if look.decision.retrain else 'wait'}\n\n{look.decision.reason}"
    )
    if look.decision.retrain and announce:
        resource = {"prefect.resource.id": f"rootstock.model.{parsed.registration.model}"}
        emit_event(DRIFT_EVENT, resource=resource, payload=look.decision.model_dump(mode="json"))
    return {
        "drift": look.report.model_dump(mode="json") if look.report else None,
        "decision": look.decision.model_dump(mode="json"),
    }


@flow(name="rootstock-scheduled-monitor", validate_parameters=False, log_prints=False)
def scheduled_monitor(params_file: str = "params.yaml", overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The watch for a deployment: reads the params file on the worker."""
    document: dict[str, Any] = monitor(open_project(Path(params_file), tuple(overrides)).model_dump(mode="json"))
    return document


def look_at(params: Params, *, batch: str | None, now: datetime) -> Look:
    """Look at a named batch or the newest window, and decide. Raises DataError if there is no champion to watch."""
    run = Run(params)
    incumbent = run.step("incumbent", Incumbent)
    if incumbent.version is None or incumbent.model is None:
        raise DataError(f"model {params.registration.model}: expected a champion to watch, found none; 'rootstock run' makes one")
    newest = run.step("resolve", Resolution).target.revision
    version = find_version(params.registration.model, incumbent.version, workspace=params.workspace)
    revision = version.tags.get(REVISION_TAG, newest)
    prepared = _prepared_at(params, revision)
    folder = look_folder(params, batch, now)
    report = _watch(params, prepared, incumbent, batch=batch, folder=folder, now=now)
    decision = decide(
        report,
        champion_revision=newest if was_tried(params, newest) else revision,
        newest_revision=newest,
        last_retrain=last_retrain(params, now=now),
        classes=len(prepared.target.labels),
        data=params.data,
        monitoring=params.monitoring,
        now=now,
    )
    decision.save(folder / "decision")
    record_alarm(report, decision, model=params.registration.model, version=version.version, workspace=params.workspace)
    say(f"  {'decide':<10} {'retrain' if decision.retrain else 'wait'}: {decision.reason}")
    return Look(report, decision)


def _prepared_at(params: Params, revision: str) -> PreparedData:
    """The data that the champion was built on."""
    pinned = Run(params.model_copy(update={"data": params.data.model_copy(update={"revision": revision})}))
    pinned.step("resolve", Resolution)
    return pinned.step("prepare", PreparedData)


def _watch(
    params: Params, prepared: PreparedData, incumbent: Incumbent, *, batch: str | None, folder: Path, now: datetime
) -> DriftReport | None:
    log, version = PredictionLog.of(params.workspace, params.registration.model), str(incumbent.version)
    if batch is None and (ahead := log.dated_after(version, now)):
        named = ", ".join(ahead[:3]) + (f" and {len(ahead) - 3} more" if len(ahead) > 3 else "")
        say(f"  {'watch':<10} left out, as dated after now: batch {named}; set the clock of the machine that predicted it")
    wanted, group = params.monitoring.window_rows, params.data.columns.group
    if batch is None and (found := log.count(version, enough=wanted, until=now, group=group)) < wanted:
        what = "predictions" if group is None else f"different values of {group} among the predictions"
        advice = "" if group is None else "; where there are no more of them, lower monitoring.window_rows"
        say(f"  {'watch':<10} {found} {what} of version {version} so far, a window has {wanted}{advice}")
        return None
    if incumbent.model is None:
        raise TypeError("there is no champion to watch")
    with clean_output():
        report = monitor_window(
            prepared,
            model_folder=Path(incumbent.model.path),
            version=version,
            batch=batch,
            data=params.data,
            registration=params.registration,
            monitoring=params.monitoring,
            seed=params.seed,
            workspace=params.workspace,
            folder=folder,
            now=now,
        )
        report.save(folder)
    drifted = [result.view for result in report.results if result.drifted]
    rows = f"{report.rows} rows" + (
        f", one for each value of {group} among {report.drawn_from}" if report.drawn_from is not None else ""
    )
    say(f"  {'watch':<10} {report.window}: {'drift in ' + ', '.join(drifted) if drifted else 'no drift'}, {rows}")
    return report


def was_tried(params: Params, revision: str) -> bool:
    """Whether a run of this model on this revision came to its end, whatever that was: the same data would come to the same end."""
    documents = (load_json(path) for path in (Path(params.workspace) / "runs").glob(f"*/{RUN_FILE}"))
    return any(_trained_on(document) == (params.registration.model, revision) for document in documents)


def _trained_on(document: dict[str, Any]) -> tuple[str | None, str | None]:
    """Model and revision of a run's document; None for what that of another version of Rootstock does not say."""
    registration = (document.get("params") or {}).get("registration") or {}
    return registration.get("model"), (document.get("data") or {}).get("revision")


def last_retrain(params: Params, *, now: datetime) -> datetime | None:
    """When the watch last looked before a retraining of this model that came to its end; one that was cut short goes on at once.

    A mark later than ``now``, as a clock that was wrong has left it, and one that says no time count for nothing: the watch would
    wait for years, or not be able to look any more.
    """
    looked = [_looked(path) for path in _looks_of(params).glob(f"*/{RETRAINING}/{RECORD_FILE}")]
    return max((time for time in looked if time is not None and time <= now), default=None)


def _looked(mark: Path) -> datetime | None:
    with contextlib.suppress(DataError, KeyError, TypeError, ValueError):
        return datetime.fromisoformat(load_json(mark)["looked"])
    return None


def mark_retraining(params: Params, document: dict[str, Any], *, batch: str | None, now: datetime) -> None:
    """Write down that the retraining after the look at ``now`` came to its end; where nothing had changed there was none."""
    if document["status"] != "unchanged":
        done = Retraining(run_key=document["run_key"], status=document["status"], looked=now.isoformat())
        done.save(look_folder(params, batch, now) / RETRAINING)


def look_folder(params: Params, batch: str | None, now: datetime) -> Path:
    """What one look at a model's log leaves; the order of names is that of the looks."""
    return _looks_of(params) / f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{batch or 'window'}"


def _looks_of(params: Params) -> Path:
    return Path(params.workspace) / "monitoring" / params.registration.model


def run_monitor(params: Params, *, batch: str | None = None, now: datetime | None = None) -> dict[str, Any]:
    """Run the flow embedded."""
    with server.embedded():
        document: dict[str, Any] = monitor(params.model_dump(mode="json"), batch, now.isoformat() if now else None)
    return document
