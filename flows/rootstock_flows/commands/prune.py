"""``rootstock prune``: give back the disk that nothing needs."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@click.option("--days", type=click.FloatRange(min=0), default=30.0, show_default=True, help="Leave what was written or read since.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@params_options
def command(days: float, dry_run: bool, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Remove old results that no decision, champion or young run names, and what killed commands left.

    And Evidently's pages of windows without drift, whose figures stay. All else can be made again; what 'verify', 'rollback',
    'replay' and 'reproduce' read stays.
    """
    params = open_project(params_file, overrides)
    import time

    from rootstock_flows.prune import BYTES_A_MIB, prune

    with clean_output():
        found = prune(params, days=days, now=time.time(), dry=dry_run)
    mib = sum(each.size_bytes for each in found) / BYTES_A_MIB
    document = {
        "removed": not dry_run,
        "mib": round(mib, 1),
        "paths": [{"path": each.path.as_posix(), "mib": round(each.size_bytes / BYTES_A_MIB, 1)} for each in found],
    }
    lines = [f"{each.size_bytes / BYTES_A_MIB:10,.1f} MiB  {each.path.as_posix()}" for each in found]
    said = f"{mib:,.1f} MiB in {len(found)} place{'s' if len(found) != 1 else ''} {'to be removed' if dry_run else 'removed'}"
    emit(document, as_json=as_json, text="\n".join([*lines, said]) if found else "nothing to remove")
