"""``rootstock rollback``: back to the champion before."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.option("--reason", required=True, help="Kept with the version.")
@params_options
def command(reason: str, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Make the version with the alias 'previous' champion again."""
    params = open_project(params_file, overrides)
    from rootstock.registration.versions import rollback

    with clean_output():
        before, now = rollback(params.registration.model, reason=reason, workspace=params.workspace)
    emit({"before": before, "champion": now, "reason": reason}, as_json=as_json, text=f"champion: version {now} (before: {before})")
