"""``rootstock promote``: make a version champion by hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options

if TYPE_CHECKING:
    from rootstock.registration.approval import Way


@click.command()
@click.argument("version")
@click.option("--reason", required=True, help="Kept in the journal and with the version.")
@click.option("--expect", metavar="CHAMPION", help="Only if this version is champion now; 'none': only if there is no champion.")
@click.option("--by", metavar="NAME", help="Who answers for it; with --approve and --rebaseline.")
@click.option("--approve", is_flag=True, help="Approve a version that passed its gates and waits.")
@click.option("--override", is_flag=True, help="Against the gates; marks the version for ever.")
@click.option("--rebaseline", is_flag=True, help="Without the comparison that an old champion makes impossible.")
@params_options
def command(
    version: str, reason: str, expect: str | None, by: str | None, approve: bool, override: bool, rebaseline: bool,
    params_file: Path, overrides: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Make VERSION (a number or an alias) the champion; the one before becomes 'previous'.

    A version whose gates did not pass is refused without --override or --rebaseline, and one that waits without --approve. If
    another version than the expected one is champion by then, nothing is moved.
    """
    way = _way(approve=approve, override=override, rebaseline=rebaseline)
    params = open_project(params_file, overrides)
    from rootstock.registration.by_hand import promote

    with clean_output():
        done = promote(
            version, registration=params.registration, workspace=params.workspace, reason=reason, way=way, by=by, expect=expect
        )
    where = f"; entry {done.entry} of the journal" if done.entry is not None else "; it was champion already"
    emit(
        {"before": done.before, "champion": done.champion, "reason": reason, "entry": done.entry},
        as_json=as_json,
        text=f"champion: version {done.champion} (before: {done.before or 'none'}){where}",
    )


def _way(*, approve: bool, override: bool, rebaseline: bool) -> Way:
    given: dict[Way, bool] = {"approve": approve, "override": override, "rebaseline": rebaseline}
    chosen = [name for name, wanted in given.items() if wanted]
    if len(chosen) > 1:
        raise click.UsageError(f"expected one of --approve, --override and --rebaseline, found {len(chosen)}")
    return chosen[0] if chosen else "plain"
