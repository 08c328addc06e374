"""What was measured, and what the gates said of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rootstock.records.base import Artifact, Measure, Record, Value, Verdict


class Scored(Value):
    """One model measured on the test rows."""

    name: str
    measures: dict[str, Measure]
    note: str


class Cost(Value):
    """What one prediction takes, measured in a process that does nothing else."""

    milliseconds_per_row: Measure
    """median over rows asked one by one, reading the input included"""
    mib: float
    """of all files that prediction reads, the pretrained base's included"""
    peak_mib: float
    """most memory of the whole process, its libraries included"""
    machine: str
    """that it was measured on"""
    threads: int


class Reloading(Value):
    """The model as it ships, loaded by its own loader in a process of its own, and asked about the same rows."""

    failure: str | None
    """why it did not answer"""
    cost: Cost | None
    """None where it did not answer"""
    seconds: float = 0.0
    """from the start of the process to its end"""


class DataFacts(Value):
    """What is known of the data that the model was made and measured with."""

    validated: bool
    checks: int
    """of the target"""
    failed_checks: tuple[str, ...]
    contamination: dict[str, int | None]
    """source that was learned from -> its rows dropped because they stand among the test rows; None where nobody looked"""
    learned_rows: int
    """rows measured on whose input, or another row of whose group, the model, or one that it stands on, learned from; always 0 out
    of fold, where folds differ"""
    rows: int


#: What one of the rows is called that models are measured on: out of fold there are no test rows.
ROW_NOUN: dict[Literal["held_out", "out_of_fold"], str] = {"held_out": "test row", "out_of_fold": "labelled row"}


class EvalReport(Record):
    """The model beside the baselines and the champion, all on the same rows."""

    dataset: str
    revision: str
    labels: tuple[str, ...]
    source: str | None
    """what the model learned from before; None for the backbone alone"""
    measures: dict[str, Measure]
    per_class: dict[str, dict[str, Measure]]
    """label -> recall, precision, f1"""
    baselines: tuple[Scored, ...]
    champion: Scored | None
    confusion: tuple[tuple[int, ...], ...]
    """(c, c), rows are the true class"""
    champion_labels: tuple[str, ...]
    """the champion's classes in its own order, by their names of today; empty where there is none"""
    classes_added: tuple[str, ...] = ()
    """labels of the task that the champion does not know"""
    classes_removed: tuple[str, ...] = ()
    """labels of the champion that the task no longer has"""
    classes_renamed: dict[str, str] = Field(default_factory=dict)
    """label as the champion learned it -> its name of today"""
    rows: Literal["held_out", "out_of_fold"] = "held_out"
    """whether models were measured on rows held out from all training, or each on rows that its fold held out"""
    variance_inflation: Annotated[float, Field(ge=1)] = 1.0
    """by how much the variance of a mean over the rows exceeds that of so many independent rows; 1 for rows held out"""
    groups: int | None = None
    """that the rows belong to (``data.columns.group``); None where each stands for itself"""
    tested_from: str | None = None
    """time of the oldest row; None where the newest are not what is tested on"""
    reloading: Reloading | None = None
    """None where ``evaluation.reload`` did not ask for it"""
    data: DataFacts | None = None
    predictions: Artifact
    """Parquet, columns as ``part.Gate.decide`` says"""
    seconds: float

    def measured_on(self, rows: int) -> str:
        """Such as ``450 test rows of 90 groups``, or ``96 labelled rows, each predicted out of fold``."""
        out_of_fold = "" if self.rows == "held_out" else ", each predicted out of fold"
        groups = f" of {self.groups:,} groups" if self.groups is not None else ""
        since = f" from {self.tested_from} on" if self.tested_from is not None else ""
        return f"{rows:,} {ROW_NOUN[self.rows]}{'s' * (rows != 1)}{groups}{since}{out_of_fold}"


class Looks(Record):
    """How much of the year's error rate earlier candidates have used up.

    Each candidate that is compared with a champion is one look. The chance that any of a year's candidates which are no better is
    promoted is at most ``alpha``: the sum of the looks' levels bounds it, whatever they have in common (Bonferroni's inequality).
    """

    alpha: float
    """of all looks of a year together"""
    looks: int
    """a year may have"""
    spent: int
    """looks in the 365 days before this one, other runs only"""
    level: float
    """of this look: alpha / looks, or 0 where they are all spent"""
    earlier: tuple[int, ...]
    """numbers of the journal's entries that were looks"""
    frees: str | None = None
    """day on which there is a level again, where there is none: the oldest look is then a year old"""


class Detectable(Value):
    """What a gate can tell with a test set of a given size."""

    gate: str
    question: str
    rows: int
    """rows that the question is answered by"""
    level: float
    smallest: float
    """difference that these rows show with a chance of 80%"""
    wanted: float | None
    """difference that one asks about"""
    rows_needed: int | None
    """rows that show ``wanted`` with a chance of 80%"""


class GateResult(Value):
    """One gate's answer."""

    gate: str
    verdict: Verdict
    observed: str
    required: str
    reason: str


class GateVerdict(Record):
    """Whether the model may take the champion's place."""

    verdict: Verdict
    results: tuple[GateResult, ...]
    reason: str
    looks: Looks | None
    """the error rate it was judged at; None where the params ask for no gates"""
