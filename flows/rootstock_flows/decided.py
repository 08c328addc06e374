"""A decision by what a user calls it."""

from __future__ import annotations

from rootstock.journal import read_journal
from rootstock.params import Params
from rootstock.registration.story import Story, tell

from rootstock_flows.session import clean_output

#: Names of versions that only the registry knows.
ALIASES = ("champion", "challenger", "previous")


def find_story(params: Params, wanted: str | None) -> Story:
    """The story of a version by number or alias, of a run by the start of its key, or (None) of the latest decision.

    Only an alias asks the registry. Raises InputError naming what there is.
    """
    model = params.registration.model
    if wanted is not None and wanted.removeprefix("@") in ALIASES:
        from rootstock.registration.versions import find_version

        with clean_output():
            wanted = find_version(model, wanted, workspace=params.workspace).version
    return tell(read_journal(params.workspace), wanted, model=model)
