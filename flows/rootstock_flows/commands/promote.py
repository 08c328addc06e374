"""``rootstock promote``: make a version champion by hand."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.argument("version")
@click.option("--reason", required=True, help="Kept with the version.")
@params_options
def command(version: str, reason: str, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Make VERSION (a number or an alias) the champion; the one before becomes 'previous'."""
    params = open_project(params_file, overrides)
    from rootstock.registration.versions import promote

    with clean_output():
        before, now = promote(params.registration.model, version, reason=reason, workspace=params.workspace)
    emit(
        {"before": before, "champion": now, "reason": reason},
        as_json=as_json,
        text=f"champion: version {now} (before: {before or 'none'})",
    )
