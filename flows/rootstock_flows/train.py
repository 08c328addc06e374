"""The main job: from the newest labelled data to a champion, a challenger, or a refusal, each with its evidence."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run
from rootstock.backbone import locate
from rootstock.files import write_text
from rootstock.installation import NUMERIC_LIBRARIES
from rootstock.params import Params, parse_params
from rootstock.records import (
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    Ladder,
    Looks,
    PreparedData,
    Registration,
    Resolution,
    Selection,
    SourceRanking,
    TrainedModel,
    TunedBackbone,
    ValidationReport,
    load_json,
)  # fmt: skip
from rootstock.registration.decision import record_refused_data
from rootstock.registration.mlflow_registry import log_report
from rootstock.report.model_card import CARD_FOLDER, write_model_card
from rootstock.report.run_records import RunRecords
from rootstock.report.write import write_report
from rootstock.similarity.limits import find_licence
from rootstock.stages import BY_HAND, run_key

from rootstock_flows import server
from rootstock_flows.document import RUN_FILE, records_of, run_document
from rootstock_flows.finetuning import fine_tune
from rootstock_flows.lock import only_run
from rootstock_flows.ranking_table import ranking_rows
from rootstock_flows.scoring import require_runner
from rootstock_flows.session import clean_output, open_project, say
from rootstock_flows.steps import Run
from rootstock_flows.trigger import FORCED, of_deployment
from rootstock_flows.work_pool import require_pool


def _flow_run_name() -> str:
    params = flow_run.parameters["params"]
    return f"{params['task']} on {params['data']['target']}"


@flow(name="rootstock-train", flow_run_name=_flow_run_name, validate_parameters=False, log_prints=False)
def train(params: dict[str, Any], force: bool = False, trigger: str = BY_HAND) -> dict[str, Any]:
    """Run the stages in order and branch on their verdicts; gives back the run's document."""
    parsed = parse_params(params, "params.yaml")
    parsed.check_perturbations()
    require_runner(parsed.flow)
    require_pool(parsed.compute.finetuning.work_pool)
    run = Run(parsed, trigger=trigger)
    resolution = run.step("resolve", Resolution)
    run.run_key = run_key(resolution, parsed)
    folder = Path(parsed.workspace) / "runs" / run.run_key[:16]
    incumbent = run.step("incumbent", Incumbent)
    finished = _finished(folder, incumbent, run.run_key)
    if finished is not None and not force:
        say(f"nothing changed: version {incumbent.version} was made from this data, these params and this code")
        return {**finished, "status": "unchanged", "seconds": run.seconds, "reused": list(finished["seconds"])}
    _begin(run, folder, incumbent)
    _transfer(run)
    return _finish(run, folder)


@flow(name="rootstock-scheduled-train", validate_parameters=False, log_prints=False)
def scheduled_train(params_file: str = "params.yaml", overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """The main job for a deployment: reads the params file on the worker."""
    params = open_project(Path(params_file), tuple(overrides))
    with only_run(params.task, params.workspace):
        document: dict[str, Any] = train(params.model_dump(mode="json"), trigger=of_deployment(flow_run.tags))
    return document


def _finished(folder: Path, incumbent: Incumbent, key: str) -> dict[str, Any] | None:
    """The document of the run that made the champion, if it had this very key and every file of it is as it was written."""
    path = folder / RUN_FILE
    if incumbent.run_key != key or not path.is_file():
        return None
    document: dict[str, Any] = load_json(path)
    if not Path(document["report"]).is_file():
        return None
    damage = [reason for record in records_of(document) for reason in record.damage()]
    for reason in damage:
        say(f"  {reason}: the run is gone through again")
    return None if damage else document


def _begin(run: Run, folder: Path, incumbent: Incumbent) -> None:
    """Keep the champion that this run is judged against, so that a run killed after promotion ends as it would have."""
    kept = folder / "incumbent"
    if incumbent.run_key == run.run_key and (kept / "record.json").is_file():
        before = Incumbent.load(kept)
        if not before.damage():
            run.keep(before, kept)
            return
    incumbent.save(kept)
    run.keep(incumbent, kept)


def _transfer(run: Run) -> None:
    if not rank_sources(run):
        _refuse_data(run)
        return
    fine_tune(run)
    run.step("evaluate", EvalReport)
    run.step("looks", Looks)
    run.step("decide", GateVerdict)
    run.step("register", Registration)


def _refuse_data(run: Run) -> None:
    """Write down that the run ended here, where no later stage does."""
    validation, resolution, incumbent = run.get(ValidationReport), run.get(Resolution), run.get(Incumbent)
    if validation is None or resolution is None or incumbent is None:
        raise TypeError("data are refused by a validation, of resolved revisions")
    record_refused_data(validation, resolution, incumbent, run_key=run.run_key, trigger=run.trigger, params=run.params)


def rank_sources(run: Run) -> bool:
    """The stages up to the ranking, once resolution and champion are known; False if the data were refused before it."""
    run.step("history", History)
    run.step("prepare", PreparedData)
    if not run.step("validate", ValidationReport).passed:
        return False
    run.rank()
    return True


def _finish(run: Run, folder: Path) -> dict[str, Any]:
    records = run_records(run)
    with clean_output():
        html = Path(write_report(records, task=run.params.task, folder=folder).html.path)
        registration = run.get(Registration)
        if registration is not None:
            log_report(registration.run_id, html, workspace=run.params.workspace)
        if registration is not None and registration.version is not None:
            card = write_model_card(records, task=run.params.task, folder=folder / CARD_FOLDER)
            log_report(registration.run_id, Path(card.path), workspace=run.params.workspace, folder=CARD_FOLDER)
    document = run_document(run, report=html.as_posix())
    write_text(folder / RUN_FILE, json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    latest = Path(run.params.workspace) / "report.html"
    shutil.copyfile(html, latest)
    _publish(run, html)
    return document


def run_records(run: Run) -> RunRecords:
    """What the report is written from."""
    resolution = run.get(Resolution)
    if resolution is None:
        raise TypeError("a report needs the resolved data revisions")
    return RunRecords(
        run_key=run.run_key,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        trigger=run.trigger,
        params=run.params.model_dump(mode="json"),
        environment={name: importlib.metadata.version(name) for name in NUMERIC_LIBRARIES},
        backbone_licence=_backbone_licence(run),
        seconds=run.seconds,
        reused=frozenset(run.reused),
        resolution=resolution,
        prepared=run.get(PreparedData),
        validation=run.get(ValidationReport),
        incumbent=run.get(Incumbent),
        history=run.get(History),
        ranking=run.get(SourceRanking),
        selection=run.get(Selection),
        tuned=run.get(TunedBackbone),
        trained=run.get(TrainedModel),
        ladder=run.get(Ladder),
        evaluation=run.get(EvalReport),
        verdict=run.get(GateVerdict),
        registration=run.get(Registration),
    )


def _backbone_licence(run: Run) -> str | None:
    tuned = run.get(TunedBackbone)
    return find_licence(locate(tuned.backbone), tuned.backbone) if tuned is not None else None


def _publish(run: Run, html: Path) -> None:
    """Show the decision where Prefect's own UI shows the run."""
    ranking, verdict = run.get(SourceRanking), run.get(GateVerdict)
    create_link_artifact(key="decision-report", link=html.resolve().as_uri(), link_text="Decision report")
    if ranking is not None:
        create_table_artifact(key="source-ranking", table=ranking_rows(ranking), description=ranking.reason)
    if verdict is not None:
        create_table_artifact(key="gates", table=[result.model_dump() for result in verdict.results], description=verdict.reason)
        create_markdown_artifact(key="verdict", markdown=f"# {verdict.verdict}\n\n{verdict.reason}")


def run_train(params: Params, *, force: bool = False) -> dict[str, Any]:
    """Run the flow embedded: start what is needed, end it with the command, and clear what a killed run left."""
    with server.embedded():
        document: dict[str, Any] = train(params.model_dump(mode="json"), force, FORCED if force else BY_HAND)
    return document
