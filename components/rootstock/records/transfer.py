"""What to learn from, and what came of it before."""

from __future__ import annotations

from typing import Literal

from rootstock.records.base import Artifact, Measure, Record, Value

#: Between the names of data sets that are learned from together; no data set's own name has a blank.
JOINT = " + "


def sources_of(source: str | None) -> tuple[str, ...]:
    """Names of the data sets that ``source`` stands for: one, several learned from together, or none."""
    return tuple(source.split(JOINT)) if source else ()


class EarlierVersion(Value):
    """A registered version that was once trained for this task."""

    version: str
    model: Artifact


class Incumbent(Record):
    """The champion in production when the run began; ``version`` is None when there is none."""

    version: str | None
    model: Artifact | None
    """its downloaded folder"""
    run_key: str | None
    """the inputs it came from"""
    earlier: tuple[EarlierVersion, ...]
    """versions before it, newest first"""


class Outcome(Value):
    """What a ranking predicted of one candidate, and what came of it on the test rows."""

    task: str
    target: str
    source: str
    backbone: str
    labelled_rows: int
    classes: int
    evidence: dict[str, float | None]
    """what the advisor saw: metric -> score made comparable between tasks"""
    predicted: float | None
    """gain in accuracy over no transfer; None where nothing was predicted then"""
    realised: float
    """gain in accuracy over no transfer, measured"""
    standard_error: float = 0.0
    """of ``realised``, as the test rows are so many; 0 where they are too many for it to matter"""


class History(Record):
    """The team's own outcomes so far, oldest first."""

    outcomes: tuple[Outcome, ...]


CandidateKind = Literal["backbone", "domain", "champion", "version", "scratch"]


class Candidate(Value):
    """Something to transfer from, with every score."""

    name: str
    """unique in a ranking"""
    source: str
    """the data set or version learned from, several data sets joined by `` + ``, or ``backbone alone``"""
    backbone: str
    kind: CandidateKind
    scores: dict[str, float | None]
    """metric -> score, higher is better; None where not defined"""
    evidence: dict[str, float | None]
    """what the advisor reads: scores made comparable between tasks"""
    predicted_gain: Measure | None
    """accuracy over the first backbone without transfer; n is the number of past outcomes behind it"""
    risk: float | None
    """probability of negative transfer: that the gain is below zero"""
    prior: Measure | None
    """mean gain of this source so far in the team's history, whatever the target; None where it was never used"""
    matched_labels: dict[str, str]
    """label of the target -> label of the candidate's head with the same meaning"""
    rows: int
    """labelled target rows scored"""
    notes: tuple[str, ...]
    """what a person should know of its scores"""
    excluded: str | None


class SourceRanking(Record):
    """What to transfer from. ``chosen`` is None when nothing beats the backbone alone: a legal end."""

    candidates: tuple[Candidate, ...]
    """best first, excluded ones last"""
    chosen: str | None
    """source of the candidate chosen"""
    chosen_name: str | None
    chosen_kind: CandidateKind
    backbone: str
    """of the candidate chosen, or the first backbone"""
    reason: str
    rows: int
    """labelled target rows scored, the same for all candidates"""
    past_outcomes: int
    """behind the predictions: bundled, and the team's own"""
    own_outcomes: int
    projection: dict[str, tuple[float, float]]
    """data set -> its place on a map: the first two principal components of the domains' mean features"""
    seconds: float

    @property
    def first_backbone(self) -> str | None:
        """What predicted gains are measured over: the backbone alone that bears no other name than its source."""
        return next((each.backbone for each in self.candidates if each.kind == "backbone" and each.name == each.source), None)


class HalvingScore(Value):
    """One candidate in one round of successive halving."""

    name: str
    source_rows: int
    log_loss: float
    """cross-validated on the target's labelled rows, nats a row"""
    accuracy: Measure
    gain: Measure
    """accuracy less that of no transfer on the same rows, paired"""
    kept: bool
    beaten: bool = False
    """whether the best of the round is ahead of it beyond chance"""


class Selection(Record):
    """The candidate that is really learned from, after the best of the ranking were tried for short."""

    chosen: str | None
    chosen_name: str | None
    chosen_kind: CandidateKind
    backbone: str
    matched_labels: dict[str, str]
    """label of the target -> label of the chosen source"""
    rounds: tuple[tuple[HalvingScore, ...], ...]
    """empty where the ranking was clear or nothing was to be tried"""
    reason: str
    rows_trained: int
    """row passes spent on trying"""
    seconds: float
