"""What a model's aliases must be: the last entry of the journal that names them, until the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from rootstock.journal import Entry, newest_first
from rootstock.records import Value
from rootstock.registration.promotion import CHALLENGER, CHAMPION, PREVIOUS

#: Facts of the journal's entries on aliases: which model, what they must be, what they were.
MODEL_FACT, ALIASES_FACT, BEFORE_FACT = "model", "aliases", "before"
#: Kinds of entries that say what the registry already was; every other one that names aliases is an intent, to be settled.
SETTLED: Final = "settled"
ADOPTION: Final = "adoption"
OUTSIDE_MOVE: Final = "outside_move"


class Aliases(Value):
    """Versions that bear Rootstock's aliases."""

    champion: str | None = None
    previous: str | None = None
    challenger: str | None = None

    @classmethod
    def of(cls, found: Mapping[str, str]) -> Self:
        """From all aliases of a model; those of other people's making are left out."""
        return cls(champion=found.get(CHAMPION), previous=found.get(PREVIOUS), challenger=found.get(CHALLENGER))

    def with_champion(self, version: str) -> Aliases:
        """``version`` is champion and nothing else; the champion before it becomes ``previous``."""
        before = self.champion if self.champion not in (None, version) else self.previous
        return Aliases(champion=version, previous=_unless(before, version), challenger=_unless(self.challenger, version))

    def with_challenger(self, version: str) -> Aliases:
        """``version`` challenges the champion."""
        return self.model_copy(update={CHALLENGER: version})

    def rolled_back(self) -> Aliases:
        """``previous`` is champion again; the champion keeps no alias."""
        challenger = self.challenger if self.challenger not in (self.champion, self.previous) else None
        return Aliases(champion=self.previous, challenger=challenger)

    def moves_to(self, other: Aliases) -> tuple[str, ...]:
        """Each alias that differs, as "champion from 2 to 3"."""
        pairs = ((alias, getattr(self, alias), getattr(other, alias)) for alias in (CHAMPION, PREVIOUS, CHALLENGER))
        return tuple(f"{alias} from {before or 'none'} to {now or 'none'}" for alias, before, now in pairs if before != now)


def _unless(version: str | None, taken: str) -> str | None:
    return version if version != taken else None


@dataclass(frozen=True)
class Intended:
    """The last word of the journal on a model's aliases."""

    entry: Entry | None
    """None where the journal does not know the model"""
    settled: bool
    """whether MLflow was brought to it"""

    @property
    def number(self) -> int:
        """Of the entry; 0 without one."""
        return self.entry.number if self.entry else 0

    @property
    def aliases(self) -> Aliases:
        """What they must be."""
        return Aliases.model_validate(self.entry.facts[ALIASES_FACT]) if self.entry else Aliases()

    @property
    def before(self) -> Aliases:
        """What they were before it."""
        found = self.entry.facts.get(BEFORE_FACT) if self.entry else None
        return Aliases.model_validate(found or {})


def read_intended(workspace: str, model: str) -> Intended:
    """What the journal says of a model's aliases now."""
    settled: set[int] = set()
    for entry in newest_first(workspace):
        if entry.facts.get(MODEL_FACT) != model:
            continue
        if entry.kind == SETTLED:
            settled.add(entry.facts["entry"])
        elif ALIASES_FACT in entry.facts:
            return Intended(entry, entry.number in settled or entry.kind in (ADOPTION, OUTSIDE_MOVE))
    return Intended(None, True)
