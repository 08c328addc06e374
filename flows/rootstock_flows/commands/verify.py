"""``rootstock verify``: is the chain of evidence whole?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.option("--offline", is_flag=True, help="Leave out the model registry: what the journal's files alone can say.")
@params_options
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool, offline: bool) -> None:
    """Walk the journal and hash what its decisions name; exit code 1 if anything is not as recorded."""
    params = open_project(params_file, overrides)
    from rootstock.errors import Refusal
    from rootstock.registration.audit import audit

    with clean_output():
        found = audit(params.registration.model, workspace=params.workspace, offline=offline)
    decided = f"{found.decisions} decision{'s' if found.decisions != 1 else ''} on {params.registration.model}"
    looked = f"{found.entries} entries of the journal, {decided}, {found.artifacts} artefacts"
    emit(asdict(found), as_json=as_json, text="\n".join(found.faults) or f"{looked}: all as it was recorded")
    if found.faults:
        raise Refusal(f"{looked}: {len(found.faults)} not as recorded; the lines above name each, restore them from a backup")
