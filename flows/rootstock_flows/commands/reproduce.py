"""``rootstock reproduce``: make a version again and compare."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.argument("wanted", metavar="VERSION|RUN_KEY")
@params_options
def command(wanted: str, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check VERSION's data out at its revision, run again, and compare the answers to every test row.

    Ends with 0 if all labels are the same, or differ by no more than chance explains; otherwise with 1.
    """
    params = open_project(params_file, overrides)
    from rootstock.errors import Refusal

    from rootstock_flows.decided import find_story
    from rootstock_flows.lock import only_run
    from rootstock_flows.reproduce import reproduce

    decision = find_story(params, wanted).decision
    with only_run(f"{params.task}-reproduce", params.workspace), clean_output():
        found = reproduce(decision, params=params)
    emit(found.as_document(), as_json=as_json, text=found.as_text())
    if not (found.answers.identical or found.answers.within):
        kept = decision.facts["predictions"]["path"]
        raise Refusal(f"the run again does not give these answers; both are kept: {kept} and {found.workspace}")
