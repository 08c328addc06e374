"""One turn at a model's aliases: look, decide, move them as one step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rootstock.errors import Refusal
from rootstock.journal import Entry
from rootstock.params import RegistrationParams
from rootstock.registration import mlflow_registry as registry
from rootstock.registration import steps
from rootstock.registration.aliases import Aliases, Intended
from rootstock.registration.lease import Lease, lease
from rootstock.registration.reconcile import TAGS_FACT, append_state, bring_to, reconcile_under


@dataclass(frozen=True)
class Turn:
    """While it lasts, no other command of this workspace moves aliases."""

    lease: Lease
    client: Any
    model: str
    workspace: str
    seen: Intended
    """the journal's last word on the aliases, which the registry follows"""

    @property
    def aliases(self) -> Aliases:
        """What they are."""
        return self.seen.aliases

    def expect_champion(self, version: str | None) -> None:
        """``expect_champion`` of what is champion now."""
        expect_champion(version, found=self.aliases.champion, model=self.model)
        steps.reached("compared")

    def move(self, kind: str, aliases: Aliases, facts: Mapping[str, Any], *, tags: Mapping[str, Mapping[str, str]]) -> Entry:
        """Move to ``aliases`` and tag versions: one entry of this kind in the journal, then the registry, then ``settled``.

        Once the entry is written the move is decided: if the process is killed after that, the next command completes it; before
        that, nothing has happened.
        """
        self.lease.check()
        whole = {**facts, TAGS_FACT: {version: dict(given) for version, given in tags.items()}}
        entry = append_state(self.workspace, self.model, kind, aliases, whole, seen=self.seen)
        steps.reached("intended")
        bring_to(self.lease, self.client, self.model, self.workspace, entry)
        return entry


def expect_champion(version: str | None, *, found: str | None, model: str) -> None:
    """Raise Refusal, saying what was expected and found, if another version is champion."""
    if found != version:
        raise Refusal(
            f"model '{model}': expected {_champion(version)}, found {_champion(found)}; nothing was moved; run again to "
            f"compare with what is in production, or, knowing that, promote with --expect {found or 'none'}"
        )


def _champion(version: str | None) -> str:
    return f"version {version} to be champion" if version is not None else "no champion"


@contextlib.contextmanager
def turn(*, registration: RegistrationParams, workspace: str) -> Iterator[Turn]:
    """Take the lease, reconcile, and give the turn; waits for another command for ``registration.lease_seconds`` at most.

    Raises BusyError naming the holder then.
    """
    client, model = registry.tracking(workspace), registration.model
    with lease(workspace, seconds=registration.lease_seconds) as held:
        yield Turn(held, client, model, workspace, reconcile_under(held, client, model, workspace))
