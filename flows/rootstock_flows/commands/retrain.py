"""``rootstock retrain``: the main job again on the latest data, whatever the watch says."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options, refuse_if_no


@click.command()
@params_options
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Look at the newest window, then train on the latest data revision and ask the same gates."""
    params = open_project(params_file, overrides)
    from rootstock.backbone import locate

    from rootstock_flows.lock import only_run

    locate(params.backbone.name)  # before anything is started for a model that is not there
    with only_run(params.task, params.workspace), clean_output():
        from rootstock_flows.retrain import run_retrain

        document = run_retrain(params, force=True)
    run = document["run"]
    emit(
        document, as_json=as_json, text=f"{run['status']}: {(run['registration'] or {}).get('reason', '')}\nreport: {run['report']}"
    )
    refuse_if_no(run)
