"""Which alias a new version gets: the rule, free of any registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from rootstock.records import GateVerdict

Alias = Literal["champion", "challenger"]

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"


@dataclass(frozen=True)
class Placement:
    """The alias of a new version, and why."""

    alias: Alias | None
    reason: str


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
            f"the gates compared version {version} with {before}, but {now}; run again to compare it with what is in production",
        )
    return Placement(CHAMPION, verdict.reason)
