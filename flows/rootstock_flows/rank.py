"""The ranking alone: the stages up to it, and the report of what is there. Nothing is trained or registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from rootstock.params import Params, parse_params
from rootstock.records import Incumbent, Resolution, SourceRanking, ValidationReport
from rootstock.report.transfer import run_sentence
from rootstock.report.write import write_report
from rootstock.stages import run_key

from rootstock_flows import server
from rootstock_flows.ranking_table import ranking_rows
from rootstock_flows.scoring import require_runner
from rootstock_flows.session import clean_output
from rootstock_flows.steps import Run
from rootstock_flows.train import rank_sources, run_records


@flow(name="rootstock-rank", flow_run_name="rank what to learn from", validate_parameters=False, log_prints=False)
def rank(params: dict[str, Any]) -> dict[str, Any]:
    """Run the stages from ``resolve`` to ``rank``; gives ``ranking`` (None for refused data), ``validation``, ``report``, and the
    ``sentence`` that a person can repeat.
    """
    parsed = parse_params(params, "params.yaml")
    require_runner(parsed.flow)
    run = Run(parsed)
    run.run_key = run_key(run.step("resolve", Resolution), parsed)
    run.step("incumbent", Incumbent)
    rank_sources(run)
    folder = Path(parsed.workspace) / "rankings" / run.run_key[:16]
    records = run_records(run)
    with clean_output():
        report = write_report(records, task=parsed.task, folder=folder).html.path
    ranking, validation = run.get(SourceRanking), run.get(ValidationReport)
    if ranking is not None:
        create_table_artifact(key="source-ranking", table=ranking_rows(ranking), description=ranking.reason)
    return {
        "ranking": ranking.model_dump(mode="json") if ranking else None,
        "validation": validation.model_dump(mode="json") if validation else None,
        "sentence": run_sentence(records),
        "report": report,
    }


def run_rank(params: Params) -> dict[str, Any]:
    """Run the flow embedded."""
    with server.embedded():
        document: dict[str, Any] = rank(params.model_dump(mode="json"))
    return document
