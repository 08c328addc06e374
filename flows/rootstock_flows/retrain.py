"""Retraining: the decision of the watch, carried out on the latest data by the main job."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.runtime import flow_run
from rootstock.params import Params, parse_params

from rootstock_flows import server
from rootstock_flows.lock import only_run
from rootstock_flows.monitor import mark_retraining, monitor
from rootstock_flows.session import open_project
from rootstock_flows.train import train
from rootstock_flows.trigger import FORCED, of_deployment, of_watch


@flow(name="rootstock-retrain", flow_run_name="watch and retrain", validate_parameters=False, log_prints=False)
def retrain(
    params: dict[str, Any], batch: str | None = None, now: str | None = None, force: bool = False, trigger: str = FORCED
) -> dict[str, Any]:
    """Watch; and if the decision is to retrain (or ``force``), run the main job on the latest data revision.

    The champion is one of the sources ranked, and the new model meets the same gates. What the watch found is what set the run off;
    ``trigger`` is, where it found nothing and the run was forced. The cool-down begins only with a run that came to its end: one
    that was cut short is gone on with by the next look.
    """
    looked = datetime.fromisoformat(now) if now else datetime.now(UTC)
    seen: dict[str, Any] = monitor(params, batch, looked.isoformat(), announce=False)
    wanted = force or seen["decision"]["retrain"]
    if not wanted:
        return {**seen, "run": None}
    newest = {**params, "data": {**params["data"], "revision": "latest"}}
    document: dict[str, Any] = train(newest, trigger=of_watch(seen, otherwise=trigger))
    mark_retraining(parse_params(params, "params.yaml"), document, batch=batch, now=looked)
    return {**seen, "run": document}


@flow(name="rootstock-scheduled-retrain", validate_parameters=False, log_prints=False)
def scheduled_retrain(params_file: str = "params.yaml", overrides: tuple[str, ...] = (), force: bool = False) -> dict[str, Any]:
    """Watch and retrain for a deployment: reads the params file on the worker."""
    params = open_project(Path(params_file), tuple(overrides))
    with only_run(params.task, params.workspace):
        trigger = of_deployment(flow_run.tags)
        document: dict[str, Any] = retrain(params.model_dump(mode="json"), force=force, trigger=trigger)
    return document


def run_retrain(params: Params, *, batch: str | None = None, now: datetime | None = None, force: bool = False) -> dict[str, Any]:
    """Run the flow embedded."""
    with server.embedded():
        document: dict[str, Any] = retrain(params.model_dump(mode="json"), batch, now.isoformat() if now else None, force)
    return document
