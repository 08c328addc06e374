"""``rootstock run``: the main job."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options, refuse_if_no, say


@click.command()
@params_options
@click.option("--force", is_flag=True, help="Run even if the champion was made from these very inputs.")
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool, force: bool) -> None:
    """Validate, rank sources, fine-tune, evaluate, decide, register, report."""
    params = open_project(params_file, overrides)
    from rootstock.backbone import locate

    from rootstock_flows.lock import only_run
    from rootstock_flows.session import clean_output

    locate(params.backbone.name)  # before anything is started for a model that is not there
    with only_run(params.task, params.workspace), clean_output():
        say(f"{params.task}: target {params.data.target}, sources {', '.join(params.data.sources) or 'none'}")
        from rootstock_flows.train import run_train

        document = run_train(params, force=force)
    emit(document, as_json=as_json, text=_text(document))
    refuse_if_no(document)


def _text(document: dict[str, object]) -> str:
    registration = document["registration"]
    said = {
        "promoted": "promoted", "challenger": "kept, not promoted", "waiting": "waits for approval",
        "refused": "refused", "unchanged": "nothing changed", "invalid data": "the data was refused",
        "promoted before": "was promoted before and is not champion now; nothing changed",
    }[str(document["status"])]  # fmt: skip
    if isinstance(registration, dict) and registration["alias"] == "challenger":
        said = "kept as challenger"
    reason = registration["reason"] if isinstance(registration, dict) else ""
    version = f"version {registration['version']} " if isinstance(registration, dict) and registration["version"] else ""
    return f"{document['task']}: {version}{said}. {reason}\nreport: {document['report']}"
