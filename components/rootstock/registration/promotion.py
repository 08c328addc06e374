"""Which alias a new version gets: the rules, free of any registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from rootstock.records import EvalReport, GateVerdict

Alias = Literal["champion", "challenger"]

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"

#: Tags of a version: what the gates said; why it is marked for ever; that only the champion could not be scored.
VERDICT_TAG: Final = "rootstock.verdict"
TAINTED_TAG: Final = "rootstock.tainted"
REBASELINE_TAG: Final = "rootstock.champion_not_scored"


@dataclass(frozen=True)
class Placement:
    """The alias of a new version, and why."""

    alias: Alias | None
    reason: str
    waits: bool = False
    """for a person's approval, without which no alias moves"""


def place(verdict: GateVerdict, *, version: str, judged_against: str | None, champion: str | None) -> Placement:
    """Where version ``version`` belongs.

    ``judged_against`` is the champion that the gates compared it with, ``champion`` the one in production now.

    - pass: champion, and the champion before it becomes ``previous``; but only challenger if another version went live in the
      meantime, for the gates never saw that one;
    - inconclusive: challenger where there is a champion to challenge, otherwise a version without alias;
    - fail: never asked, a refused model gets no version.
    """
    if verdict.verdict == "fail":
        raise ValueError("a refused model has no place in the registry")
    if verdict.verdict == "inconclusive":
        if champion is None:
            return Placement(None, f"{verdict.reason}; there is no champion to challenge, so version {version} has no alias")
        return Placement(CHALLENGER, verdict.reason)
    if champion not in (judged_against, version):
        before = f"version {judged_against}" if judged_against is not None else "no champion"
        now = f"version {champion} is champion now" if champion is not None else "there is no champion now"
        return Placement(
            CHALLENGER if champion is not None else None,
            f"the gates compared version {version} with {before}, but {now}; "
            "the next run on newer data is compared with what is in production",
        )
    return Placement(CHAMPION, verdict.reason)


def hold_for_approval(placement: Placement, *, version: str) -> Placement:
    """The same version where a person has the last word: one that would be champion waits."""
    if placement.alias != CHAMPION:
        return placement
    how = f"rootstock promote {version} --approve --by NAME --reason ..."
    return Placement(None, f"{placement.reason}; version {version} waits for approval: {how}", waits=True)


def only_champion_missing(verdict: GateVerdict, report: EvalReport) -> str | None:
    """What hindered the comparison, if nothing but a champion that cannot be scored keeps a version from passing; otherwise None.

    A champion without a measure could be asked about no row at all. A gate that compares with it bears its name.
    """
    champion = report.champion
    if verdict.verdict != "inconclusive" or champion is None or champion.measures:
        return None
    open_gates = [result for result in verdict.results if result.verdict != "pass"]
    hindered = bool(open_gates) and all(each.verdict == "inconclusive" and CHAMPION in each.gate for each in open_gates)
    return champion.note if hindered else None
