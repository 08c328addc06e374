"""``rootstock history``: what happened to the models of a workspace."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest so many.")
@params_options
def command(limit: int | None, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """List promotions, refusals, rollbacks, overrides, approvals and drift alarms, newest last."""
    params = open_project(params_file, overrides)
    from rootstock.journal import read_journal
    from rootstock.registration.happenings import history, line, tainted_versions
    from rootstock.registration.reconcile import reconcile_if_reachable

    with clean_output():
        reconcile_if_reachable(registration=params.registration, workspace=params.workspace)
    entries = read_journal(params.workspace)
    told, tainted = history(entries, limit=limit), tainted_versions(entries)
    lines = [line(entry, tainted=tainted) for entry in told]
    marked = [{"model": model, "version": version} for model, version in sorted(tainted)]
    document = {"entries": [entry.model_dump(mode="json") for entry in told], "tainted": marked}
    emit(document, as_json=as_json, text="\n".join(lines) or "nothing happened yet; 'rootstock run' makes the first entry")
