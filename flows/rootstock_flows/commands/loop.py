"""``rootstock loop``: a month of production on the demo data."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options


@click.command()
@params_options
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Play a month with the demo: quiet windows, a drifted one, new labels, retraining; in a workspace of its own."""
    from rootstock.files import storage_errors

    from rootstock_flows.lock import only_run

    base = open_project(params_file, overrides)
    workspace = f"{base.workspace}/loop"
    with storage_errors(Path(workspace)):
        Path(workspace).mkdir(parents=True, exist_ok=True)  # Prefect, imported next, makes its home in it, but not its parents
    from rootstock_flows.month import month_of

    params = month_of(base, workspace)
    with only_run(f"{params.task}-loop", base.workspace):
        from rootstock_flows.month import as_document, play

        page, lines = play(params)
    drifted = sum(line.drifted for line in lines)
    promoted = [line.promoted for line in lines if line.promoted]
    text = f"{len(lines)} windows, {drifted} drifted, promoted: {', '.join(promoted) or 'none'}\ntimeline: {page.as_posix()}"
    emit(as_document(page, lines), as_json=as_json, text=text)
