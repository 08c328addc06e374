"""Bring registry and journal to one state before anything else is done with a model's aliases."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rootstock import journal
from rootstock.errors import BusyError, ServiceError, StorageError
from rootstock.journal import Entry, HeadMoved
from rootstock.params import RegistrationParams
from rootstock.registration import mlflow_registry as registry
from rootstock.registration import steps
from rootstock.registration.aliases import (
    ADOPTION,
    ALIASES_FACT,
    BEFORE_FACT,
    MODEL_FACT,
    OUTSIDE_MOVE,
    SETTLED,
    Aliases,
    Intended,
    read_intended,
)
from rootstock.registration.chain import BROKEN_CHAIN, end_fault, mirror_head
from rootstock.registration.lease import Lease, lease
from rootstock.registration.promotion import CHALLENGER, CHAMPION, PREVIOUS

#: Fact of an intent: version -> tags that it gets with the aliases.
TAGS_FACT = "tags"


def warn(line: str) -> None:
    """One line on standard error, for people."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def reconcile(*, registration: RegistrationParams, workspace: str) -> Aliases:
    """What the aliases are, after what a killed command left was finished and what others did was noted.

    Every command that touches the registry begins with this. A model that has aliases but no journal yet is adopted. An alias that
    something else than Rootstock moved is warned of, noted and kept: people may move aliases, they only cannot do so unseen. Where
    nothing is to be done, the lease is not taken and nothing is written.
    Raises BusyError if another command holds the lease too long, ServiceError if MLflow fails.
    """
    client, model = registry.tracking(workspace), registration.model
    if (known := _at_peace(client, model, workspace)) is not None:
        return known
    with lease(workspace, seconds=registration.lease_seconds) as held:
        return reconcile_under(held, client, model, workspace).aliases


def reconcile_if_reachable(*, registration: RegistrationParams, workspace: str) -> None:
    """``reconcile`` for a command that only tells what the journal says: it does so without a registry as well.

    A workspace without a registry is left as it is, and one that does not answer, or is held by another command, is warned of.
    """
    if not registry.has_store(workspace):
        return
    try:
        reconcile(registration=registration, workspace=workspace)
    except (ServiceError, BusyError, StorageError) as error:
        warn(f"whether an alias was moved by something else than Rootstock is not known: {error}")


def _at_peace(client: Any, model: str, workspace: str) -> Aliases | None:
    """The aliases, if the journal and the registry agree on them and on the journal's end."""
    intended = read_intended(workspace, model)
    found = registry.find_model(client, model)
    aliases, tags = (Aliases.of(found.aliases), found.tags) if found else (Aliases(), {})
    return aliases if intended.settled and intended.aliases == aliases and end_fault(tags, workspace) is None else None


def warn_of_outside_moves(client: Any, model: str, workspace: str) -> None:
    """The same look by a command that only reads: it warns and leaves the noting to the next one that writes."""
    intended, found = read_intended(workspace, model), registry.find_aliases(client, model)
    moves = intended.aliases.moves_to(Aliases.of(found))
    if intended.entry is not None and intended.settled and moves and read_intended(workspace, model) == intended:
        warn(f"model '{model}': an alias was moved by something else than Rootstock: {', '.join(moves)}")


def reconcile_under(held: Lease, client: Any, model: str, workspace: str) -> Intended:
    """``reconcile`` for a process that has the lease; gives the last word on the aliases, which the registry follows now."""
    found = registry.find_model(client, model)
    aliases, tags = (Aliases.of(found.aliases), found.tags) if found else (Aliases(), {})
    if (fault := end_fault(tags, workspace)) is not None:
        journal.append(workspace, BROKEN_CHAIN, {MODEL_FACT: model, "reason": fault}, after=None)
        warn(f"model '{model}': {fault}; restore the journal from a backup, 'rootstock verify' says what is wrong")
    intended = read_intended(workspace, model)
    if intended.entry is None:
        if aliases != Aliases():
            reason = "the registry had these aliases before the journal began"
            append_state(workspace, model, ADOPTION, aliases, {"reason": reason}, seen=intended)
    elif not intended.settled:
        if (why := _cannot_complete(client, model, intended, aliases)) is None:
            bring_to(held, client, model, workspace, intended.entry)
        else:
            _adopt_outside_move(model, workspace, intended, aliases, why)
    elif aliases != intended.aliases:
        _adopt_outside_move(model, workspace, intended, aliases)
    mirror_head(client, model, workspace)
    steps.reached("reconciled")
    return read_intended(workspace, model)


def _cannot_complete(client: Any, model: str, intended: Intended, found: Aliases) -> str | None:
    """Why a move that was broken off can no longer be completed, or None."""
    for alias in (CHAMPION, PREVIOUS, CHALLENGER):
        wanted = getattr(intended.aliases, alias)
        if getattr(found, alias) not in (wanted, getattr(intended.before, alias)):
            return f"alias '{alias}' was moved in the meantime"
        if wanted is not None and not registry.has_version(client, model, wanted):
            return f"version {wanted} was deleted in the meantime"
    return None


def _adopt_outside_move(model: str, workspace: str, intended: Intended, found: Aliases, why: str | None = None) -> None:
    """Take over what the registry says; ``why`` if that gives up a move that was broken off."""
    moves = ", ".join(intended.aliases.moves_to(found))
    said = f"model '{model}': an alias was moved by something else than Rootstock: {moves}"
    facts: dict[str, Any] = {"moves": moves, "reason": f"moved by something else than Rootstock: {moves}"}
    if why is not None:
        facts |= {"gives_up": intended.number, "why": why}
        said += f"; the move of entry {intended.number} was broken off and is given up: {why}"
    entry = append_state(workspace, model, OUTSIDE_MOVE, found, facts, seen=intended)
    warn(f"{said}; this is taken over as entry {entry.number} of the journal")


def append_state(workspace: str, model: str, kind: str, aliases: Aliases, facts: Mapping[str, Any], *, seen: Intended) -> Entry:
    """Append an entry that names aliases, if ``seen`` is still the last word on them.

    Entries on other things may come in between. Raises HeadMoved if another word on these aliases did.
    """
    states = {ALIASES_FACT: aliases.model_dump(mode="json"), BEFORE_FACT: seen.aliases.model_dump(mode="json")}
    whole = {MODEL_FACT: model, **states, **facts}
    while True:
        number = journal.head(workspace)
        if read_intended(workspace, model).number != seen.number:
            raise HeadMoved(
                f"model '{model}': expected entry {seen.number} of the journal to be the last on its aliases, found another one; "
                "another command was faster: run the same command again"
            )
        try:
            return journal.append(workspace, kind, whole, after=number)
        except HeadMoved:
            continue


def bring_to(held: Lease, client: Any, model: str, workspace: str, intent: Entry) -> None:
    """Bring the registry to what an entry intends, and write that it was done; can be broken off anywhere and done again.

    MLflow sets one alias at a time and compares nothing: whoever reads several of them meanwhile may see the old one beside the
    new, and a move by plain MLflow calls in this fraction of a second is written over unseen.
    """
    aliases = Aliases.model_validate(intent.facts[ALIASES_FACT])
    for version, tags in intent.facts.get(TAGS_FACT, {}).items():
        held.check()
        registry.tag_version(client, model, version, tags)
    steps.reached("tagged")
    found = registry.find_aliases(client, model)
    for alias in (PREVIOUS, CHAMPION, CHALLENGER) if aliases.previous else (CHAMPION, PREVIOUS, CHALLENGER):
        wanted = getattr(aliases, alias)
        if found.get(alias) != wanted:
            held.check()
            registry.set_alias(client, model, alias, wanted)
        steps.reached(alias)
    held.check()
    journal.append(workspace, SETTLED, {MODEL_FACT: model, "entry": intent.number}, after=None)
    steps.reached("settled")
    mirror_head(client, model, workspace)
    steps.reached("mirrored")
