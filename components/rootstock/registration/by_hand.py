"""Promotion and rollback by a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rootstock.errors import InputError
from rootstock.params import RegistrationParams
from rootstock.registration import load_check
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.approval import Way, find_waiting, permit
from rootstock.registration.reconcile import reconcile
from rootstock.registration.run_contents import tag_text
from rootstock.registration.turn import expect_champion, turn
from rootstock.registration.versions import find_version

MOVED_TAG = "rootstock.moved"
ROLLBACK: Final = "rollback"
#: What ``expect`` says where there must be no champion.
NO_CHAMPION = "none"


@dataclass(frozen=True)
class Moved:
    """What a command did."""

    before: str | None
    """the champion's version before"""
    champion: str
    entry: int | None
    """number in the journal; None where nothing was to be done"""


def promote(
    alias_or_version: str, *, registration: RegistrationParams, workspace: str, reason: str, way: Way = "plain",
    by: str | None = None, expect: str | None = None,
) -> Moved:  # fmt: skip
    """Make a version champion, if the champion is still the expected one; the one before becomes ``previous``.

    Expected is ``expect`` ("none": there is no champion), or else the champion that a waiting version was compared with, or else
    the one that this command found when it began. Of any number of processes that promote against one expected version, one wins;
    the others are refused with what they found. A version that is champion already stays it, and nothing is written.

    Raises Refusal if the champion is another one, the version cannot be loaded or its gates did not pass (see ``approval.permit``),
    InputError for an unknown version or a blank reason, BusyError if another command is at it too long.
    """
    _expect_reason(reason)
    client, model = registry.tracking(workspace), registration.model
    known = reconcile(registration=registration, workspace=workspace)
    version = find_version(model, alias_or_version, workspace=workspace)
    if known.champion == version.version and expect is None:
        return Moved(known.champion, version.version, None)
    waiting = find_waiting(workspace, model, version.version)
    manual = registration.approval == "manual"
    permission = permit(version, way, waiting=waiting, manual=manual, reason=reason, by=by)
    judged = waiting.facts["compared_with"] if waiting is not None else known.champion
    expected = judged if expect is None else None if expect == NO_CHAMPION else expect
    expect_champion(expected, found=known.champion, model=model)  # asked again below, where it counts
    load_check.check_loads(version, model=model, client=client, workspace=workspace)
    with turn(registration=registration, workspace=workspace) as now:
        now.expect_champion(expected)
        tags = {MOVED_TAG: tag_text(reason), **{name: tag_text(text) for name, text in permission.tags.items()}}
        facts = {**permission.facts, "expected": expected}
        entry = now.move(permission.kind, now.aliases.with_champion(version.version), facts, tags={version.version: tags})
        return Moved(now.aliases.champion, version.version, entry.number)


def rollback(*, registration: RegistrationParams, workspace: str, reason: str) -> Moved:
    """Make ``previous`` champion again after a load check. The champion before it keeps no alias.

    Raises InputError if there is no version to go back to, as at a second rollback in a row, or no reason; Refusal if it cannot be
    put to work or the champion changed meanwhile. The champion stays then.
    """
    _expect_reason(reason)
    client, model = registry.tracking(workspace), registration.model
    known = reconcile(registration=registration, workspace=workspace)
    if known.champion is None or known.previous is None or known.champion == known.previous:
        held = known.model_dump().items()
        found = ", ".join(f"{alias}: version {version}" for alias, version in held if version is not None) or "no alias"
        raise InputError(f"model '{model}': expected a champion and a previous version to go back to, found {found}; promote one")
    target = find_version(model, known.previous, workspace=workspace)
    load_check.check_loads(target, model=model, client=client, workspace=workspace)
    with turn(registration=registration, workspace=workspace) as now:
        now.expect_champion(known.champion)
        if now.aliases.previous != known.previous:
            raise InputError(f"model '{model}': version {known.previous} is no longer the previous one; roll back again")
        facts = {"version": target.version, "rolled_back_from": known.champion, "reason": reason}
        entry = now.move(ROLLBACK, now.aliases.rolled_back(), facts, tags={known.champion: {MOVED_TAG: tag_text(reason)}})
        return Moved(known.champion, target.version, entry.number)


def _expect_reason(reason: str) -> None:
    """Raise InputError for a blank one, such as that of a variable which is not set: the journal keeps it for ever."""
    if not reason.strip():
        raise InputError("expected --reason TEXT, which the journal keeps, found none; say why")
