"""``rootstock monitor``: has the world drifted, and should the model be trained again?"""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options, refuse_if_no


@click.command()
@params_options
@click.option("--batch", help="Look at this batch of the prediction log instead of the newest window.")
@click.option("--retrain/--no-retrain", default=True, show_default=True, help="Start the retraining when the decision says so.")
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool, batch: str | None, retrain: bool) -> None:
    """Compare a window of predictions with the champion's reference data, and retrain if the decision says so."""
    params = open_project(params_file, overrides)
    from rootstock_flows.lock import only_run

    with only_run(params.task, params.workspace), clean_output():
        if retrain:
            from rootstock_flows.retrain import run_retrain

            document = run_retrain(params, batch=batch)
        else:
            from rootstock_flows.monitor import run_monitor

            document = run_monitor(params, batch=batch)
    decision = document["decision"]
    lines = [f"{'retrain' if decision['retrain'] else 'wait'}: {decision['reason']}"]
    if document["drift"]:
        lines.append(f"Evidently report: {document['drift']['evidently_html']['path']}")
    if document.get("run"):
        lines.append(f"run: {document['run']['status']}, report: {document['run']['report']}")
    emit(document, as_json=as_json, text="\n".join(lines))
    if document.get("run"):
        refuse_if_no(document["run"])
