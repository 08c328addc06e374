"""The stage that says how much of the year's error rate is left for this candidate."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from rootstock.journal import read_journal
from rootstock.params import GatesParams, RegistrationParams
from rootstock.records import Incumbent, Looks

#: Kind of the journal's entries that say what the gates decided of a run, and the facts in them that are read here.
DECISION, MODEL_FACT, RUN_KEY_FACT, COMPARED_FACT, LEVEL_FACT = "decision", "model", "run_key", "compared_with", "level"
YEAR = datetime.timedelta(days=365)
#: By how much of itself a share may seem too large because shares were added up.
ROUNDING = 1e-9


def count_looks(
    incumbent: Incumbent, *, gates: GatesParams | None, registration: RegistrationParams, workspace: str, run_key: str
) -> Looks:
    """Count the year's candidates that were compared with a champion of this model, each run once and this one not.

    Alpha is spent evenly: a look gets alpha / looks while the levels that the looks of the last 365 days were judged at leave so
    much of alpha, and nothing otherwise, so that the levels of any year sum to alpha at most, also where the params change in
    between. The bound needs nothing of the looks: not that they are independent, as they
    are not where many candidates meet the same test rows (C. E. Bonferroni, 1936; O. J. Dunn, "Multiple comparisons among means",
    JASA 56, 1961). Without a champion there is nothing to be no better than: such a run is no look, and costs none.
    """
    if gates is None:
        return Looks(alpha=1.0, looks=1, spent=0, level=1.0, earlier=())
    since = (datetime.datetime.now(datetime.UTC) - YEAR).isoformat(timespec="milliseconds")
    earlier = {}
    for entry in read_journal(workspace):
        compared = entry.kind == DECISION and entry.facts.get(COMPARED_FACT) is not None and entry.created >= since
        own = entry.facts.get(MODEL_FACT, registration.model) == registration.model  # one that names no model counts too
        if compared and own and entry.facts[RUN_KEY_FACT] != run_key:
            earlier[entry.facts[RUN_KEY_FACT]] = entry
    return looks_after([Look(entry.number, entry.created, entry.facts.get(LEVEL_FACT)) for entry in earlier.values()], gates)


@dataclass(frozen=True)
class Look:
    """An earlier candidate that was compared with a champion."""

    number: int
    """of the journal's entry, or any that tells looks apart"""
    created: str
    """UTC, ISO 8601"""
    level: float | None
    """it was judged at; None, where it is not known, counts as an even share"""


def looks_after(earlier: Sequence[Look], gates: GatesParams) -> Looks:
    """What is left after these looks of the last year."""
    share = gates.alpha / gates.looks
    levels = [share if look.level is None else look.level for look in earlier]
    least = share * (1 - ROUNDING)
    frees = None
    if gates.alpha - sum(levels) < least:
        left = gates.alpha - sum(levels)
        for look, level in sorted(zip(earlier, levels, strict=True), key=lambda pair: pair[0].created):
            left += level
            if left >= least:
                frees = (datetime.datetime.fromisoformat(look.created) + YEAR).date().isoformat()
                break
    return Looks(
        alpha=gates.alpha,
        looks=gates.looks,
        spent=len(earlier),
        level=share if frees is None else 0.0,
        earlier=tuple(look.number for look in earlier),
        frees=frees,
    )
