"""``rootstock explain``: why a version went live, or a run was refused."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options


@click.command()
@click.argument("wanted", required=False, metavar="[VERSION|RUN_KEY]")
@params_options
def command(wanted: str | None, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Tell the story of VERSION (a number, an alias, the start of a run's key), or of the latest decision."""
    params = open_project(params_file, overrides)
    from rootstock.registration.story import as_document, as_text

    from rootstock_flows.decided import find_story

    story = find_story(params, wanted)
    emit(as_document(story), as_json=as_json, text="" if as_json else as_text(story))
