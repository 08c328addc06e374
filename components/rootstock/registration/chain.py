"""The journal's end, named in the model registry too, so that a cut end is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rootstock.journal import head, newest_first, sha256_of_entry, verify_journal
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.aliases import MODEL_FACT

#: Tag of a registered model: number and sha256 of the last entry, as "17:SHA256".
HEAD_TAG: Final = "rootstock.journal_head"
#: Kind of an entry that says that the one before it is not the end that the registry knew.
BROKEN_CHAIN: Final = "broken_chain"


def mirror_head(client: Any, model: str, workspace: str) -> None:
    """Name the journal's last entry in the registry. Does nothing for a model that is not registered yet.

    A process that is killed before this leaves the entry before it named there: true, if not the latest. The entries of a
    workspace are the story of its models only as long as one workspace moves their aliases; a second one's journal would
    be reported as broken, and rightly.
    """
    number = head(workspace)
    if number and (found := registry.find_model(client, model)) is not None:
        text = f"{number}:{sha256_of_entry(workspace, number)}"
        if found.tags.get(HEAD_TAG) != text:
            registry.tag_model(client, model, {HEAD_TAG: text})


def end_fault(tags: Mapping[str, str], workspace: str) -> str | None:
    """Why the journal does not hold the entry that the registry names, or None. ``tags`` are the registered model's."""
    named, _, sha256 = tags.get(HEAD_TAG, "").partition(":")
    if not named.isdecimal():
        return None
    found = sha256_of_entry(workspace, int(named))
    if found == sha256:
        return None
    what = f"another one ({found[:12]})" if found else f"nothing: the journal ends with entry {head(workspace)}"
    return f"the registry names entry {named} of the journal ({sha256[:12]}), found {what}"


def check_chain(model: str, *, workspace: str) -> tuple[str, ...]:
    """What is wrong with the chain of evidence, a line each; empty for a whole one.

    Every entry up to the one that the registry names is vouched for. One after it, written by a command that does not touch the
    registry or was killed, is only as good as the entries that follow. Whoever can write both the journal and the registry can
    forge both. Raises ServiceError if the registry does not answer.
    """
    found = registry.find_model(registry.tracking(workspace), model)
    fault = end_fault(found.tags, workspace) if found is not None else None
    faults = verify_journal(workspace)
    if faults:
        return (*faults, *((fault,) if fault else ()))
    noted = [entry for entry in newest_first(workspace) if entry.kind == BROKEN_CHAIN and entry.facts.get(MODEL_FACT) == model]
    older = tuple(f"entry {entry.number} noted on {entry.created}: {entry.facts['reason']}" for entry in reversed(noted))
    return (*older, *((fault,) if fault else ()))
