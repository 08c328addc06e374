"""``rootstock doctor``: what a run would find, before it runs."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options


@click.command()
@params_options
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check versions, opt-outs, data registry, backbone, servers, disk and leftovers; exit code 2 if something would fail."""
    params = open_project(params_file, overrides)
    from rootstock.errors import InputError

    from rootstock_flows.doctor import examine

    findings = examine(params)
    bad = [finding for finding in findings if not finding.fine]
    lines = [f"{'ok ' if finding.fine else 'BAD'}  {finding.subject:<10} {finding.found}" for finding in findings]
    document = {"fine": not bad, "findings": [finding.as_dict() for finding in findings]}
    emit(document, as_json=as_json, text="\n".join(lines))
    if bad:
        raise InputError(f"{len(bad)} of {len(findings)} checks failed; the first: {bad[0].subject}: {bad[0].found}")
