"""``rootstock params``: the params as they are read, or their schema."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options


@click.command()
@params_options
@click.option("--schema", is_flag=True, help="Print the JSON schema of params.yaml instead.")
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool, schema: bool) -> None:
    """Check params.yaml and print what it says, overrides applied."""
    import json

    from rootstock.params import Params

    document = Params.model_json_schema() if schema else open_project(params_file, overrides).model_dump(mode="json")
    emit(document, as_json=as_json, text=json.dumps(document, indent=2, ensure_ascii=False))
