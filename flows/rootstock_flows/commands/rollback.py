"""``rootstock rollback``: back to the champion before."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.option("--reason", required=True, help="Kept in the journal and with the version.")
@params_options
def command(reason: str, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Make the version with the alias 'previous' champion again.

    It is downloaded, loaded and asked first: a version that cannot be put to work is refused, and the champion stays.
    """
    params = open_project(params_file, overrides)
    from rootstock.registration.by_hand import rollback

    with clean_output():
        done = rollback(registration=params.registration, workspace=params.workspace, reason=reason)
    emit(
        {"before": done.before, "champion": done.champion, "reason": reason, "entry": done.entry},
        as_json=as_json,
        text=f"champion: version {done.champion} (before: {done.before}); entry {done.entry} of the journal",
    )
