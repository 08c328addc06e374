"""May a person promote this version, and under which name does that go into the journal?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from rootstock.errors import InputError, Refusal
from rootstock.journal import Entry, newest_first
from rootstock.registration.aliases import MODEL_FACT
from rootstock.registration.mlflow_registry import Version
from rootstock.registration.promotion import REBASELINE_TAG, TAINTED_TAG, VERDICT_TAG

#: How a person asks for it: as the gates decided, with their own approval, against the gates, or without a comparison.
Way = Literal["plain", "approve", "override", "rebaseline"]

#: Kinds of the journal's entries.
PROMOTION: Final = "promotion"
WAITING: Final = "waiting"
KINDS: Final[dict[Way, str]] = {
    "plain": PROMOTION, "approve": "approval", "override": "override", "rebaseline": "rebaseline",
}  # fmt: skip


@dataclass(frozen=True)
class Permission:
    """A promotion that is allowed."""

    kind: str
    """of its entry in the journal"""
    facts: dict[str, Any]
    tags: dict[str, str]
    """of the version"""


def find_waiting(workspace: str, model: str, version: str) -> Entry | None:
    """The entry that says that a version waits for approval; None if it does not, or no longer."""
    for entry in newest_first(workspace):
        if entry.facts.get(MODEL_FACT) == model and entry.facts.get("version") == version:
            if entry.kind == WAITING:
                return entry
            if entry.kind in KINDS.values():
                return None
    return None


def permit(version: Version, way: Way, *, waiting: Entry | None, manual: bool, reason: str, by: str | None) -> Permission:
    """Whether a version may be promoted in this way. ``manual``: one that passed takes somebody's approval, waiting or not.

    Raises Refusal, with what can be done instead, for a version whose gates did not pass or that waits; InputError for a way that
    does not fit the version, or without the name that it takes.
    """
    number, verdict = version.version, version.tags.get(VERDICT_TAG)
    facts = {"version": number, "verdict": verdict, "reason": reason, "approver": by}
    if way in ("approve", "rebaseline") and not (by or "").strip():
        raise InputError(f"promote --{way}: expected --by NAME, the person who answers for it, found none")
    if verdict == "pass":
        approved = waiting is not None or manual
        if way in ("override", "rebaseline"):
            raise InputError(f"version {number} passed its gates; leave --{way} out")
        if way == "plain" and approved:
            raise Refusal(
                f"version {number} passed its gates and takes an approval; "
                f"give it with 'rootstock promote {number} --approve --by NAME --reason ...'"
            )
        if way == "approve" and not approved:
            raise InputError(
                f"version {number} does not wait for an approval (registration.approval is automatic); leave --approve out"
            )
        return Permission(KINDS[way], facts, {})
    said = f"its gates said '{verdict}'" if verdict is not None else "no gates of Rootstock's judged it"
    if way == "override":
        return Permission(KINDS[way], facts, {TAINTED_TAG: f"promoted although {said}: {reason}"})
    comparable = version.tags.get(REBASELINE_TAG) is None
    if way == "rebaseline" and not comparable:
        return Permission(KINDS[way], facts, {})
    against = f"'rootstock promote {number} --override --reason ...', which marks the version for ever"
    if way == "rebaseline":
        raise Refusal(
            f"version {number}: expected that only the champion could not be scored, but {said} for other reasons; use {against}"
        )
    instead = (
        against
        if comparable
        else f"'rootstock promote {number} --rebaseline --by NAME --reason ...': the champion cannot be scored any more"
    )
    raise Refusal(f"version {number} is not promoted: {said}; run again with more labelled rows, or use {instead}")
