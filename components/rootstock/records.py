"""Records: the frozen, typed results of stages, and all that passes between them.

A record is saved as ``record.json`` beside the files it names. It is written last, so a folder without one is unfinished and is
made again. Paths are relative to the project folder (where ``params.yaml`` stands), in which every command runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from rootstock.errors import DataError
from rootstock.files import sha256_of, sha256_of_json, write_text

RECORD_FILE = "record.json"

Verdict = Literal["pass", "fail", "inconclusive"]


class Value(BaseModel):
    """Base of everything inside a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Artifact(Value):
    """A file or folder by path and content."""

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """Name what stands at ``path`` now."""
        return cls(path=path.as_posix(), sha256=sha256_of(path))

    def damage(self) -> str | None:
        """Why this is no longer what was recorded, or None."""
        path = Path(self.path)
        if not path.exists():
            return f"{self.path} is gone"
        return None if sha256_of(path) == self.sha256 else f"{self.path} was changed"


class Record(Value):
    """A stage's result."""

    def save(self, folder: Path) -> None:
        """Write ``record.json`` atomically; call it last."""
        write_text(folder / RECORD_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a saved record. Raises DataError naming the file if it is missing or not of this type."""
        path = folder / RECORD_FILE
        if not path.is_file():
            raise DataError(f"{path}: expected a {cls.__name__}, found nothing; run the stage that makes it first")
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except ValueError as error:  # pydantic's, or bytes that are no UTF-8
            raise DataError(f"{path}: not a {cls.__name__} of this version; run the stage again") from error

    def sha256(self) -> str:
        """Hash of what the record says, free of where it is stored and how long it took."""
        return sha256_of_json(_content(self.model_dump(mode="json")))

    def artifacts(self) -> Iterator[Artifact]:
        """Every file the record names, at any depth."""
        yield from _artifacts(self)

    def damage(self) -> tuple[str, ...]:
        """What is no longer as it was recorded: missing or changed files."""
        return tuple(reason for artifact in self.artifacts() if (reason := artifact.damage()))


#: Keys that say where or how fast, not what: they take no part in a record's hash.
INCIDENTAL_KEYS = frozenset({"path", "seconds", "peak_mib", "rows_per_second", "cost"})


def _content(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _content(inner) for key, inner in value.items() if key not in INCIDENTAL_KEYS}
    return [_content(inner) for inner in value] if isinstance(value, list) else value


def _artifacts(value: object) -> Iterator[Artifact]:
    if isinstance(value, Artifact):
        yield value
    elif isinstance(value, Value):
        for field in type(value).model_fields:
            yield from _artifacts(getattr(value, field))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _artifacts(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _artifacts(inner)


class Measure(Value):
    """A number with its interval; direction and unit travel with it."""

    value: float
    low: float
    high: float
    n: int
    unit: str
    higher_is_better: bool


# ---- data ----------------------------------------------------------------------------------------------------------------


class DatasetRevision(Value):
    """One version of one dataset in the data registry."""

    dataset: str
    revision: str
    """tag, ``NAME/vN``"""
    git_sha: str
    md5: str
    """DVC's content hash of the rows file"""


class Resolution(Record):
    """Which revisions a run reads: "latest" turned into names that stay."""

    registry: str
    target: DatasetRevision
    sources: tuple[DatasetRevision, ...]


#: How the names of a rows file's further columns begin, those that ``data.columns.keep`` names.
KEPT = "keep:"
#: And those of predictions that say which slice a row belongs to.
SLICE = "slice:"


class RowsFile(Artifact):
    """A Parquet file with the columns ``id``, ``input``, ``label``; ``input`` is a text or the bytes of a PNG image.

    The target's has ``keep:COLUMN`` too, text, for each of ``data.columns.keep``.
    """

    rows: int


class Contamination(Value):
    """Rows of a source that stand, equal or nearly so, among the target's test rows; dropped before anything is learned."""

    exact: int
    near: int
    rows: tuple[str, ...]
    """ids of up to 20 of them"""


class Dataset(Value):
    """A dataset at one revision, cut into splits (target: ``train``, ``test``, ``unused``; source: ``train``)."""

    name: str
    modality: str
    revision: DatasetRevision
    splits: dict[str, RowsFile]
    labels: tuple[str, ...]
    """the c classes, sorted; index i is class i everywhere"""
    class_counts: dict[str, dict[str, int]]
    """split -> label -> rows"""
    contamination: Contamination | None
    """what was dropped from a source because the target is tested on it; None for the target"""
    licence: str | None = None
    """as SPDX writes it, from the dataset's card; None where none is stated"""


class PreparedData(Record):
    """The target and its possible sources, ready to be read."""

    target: Dataset
    sources: tuple[Dataset, ...]
    unusable_sources: dict[str, str]
    """source named in the params that cannot be read for this target (another modality, no rows, one class) -> reason"""


class CheckResult(Value):
    """What one check found in one dataset."""

    check: str
    dataset: str
    passed: bool
    failing: int
    rows: int
    failing_rows: tuple[str, ...]
    """ids of up to 20 of them"""
    reason: str


class ValidationReport(Record):
    """Whether the data may be learned from. A source that fails is excluded; a target that fails ends the run."""

    passed: bool
    """of the target"""
    results: tuple[CheckResult, ...]
    excluded_sources: dict[str, str]
    """source -> reason"""
    suites: Artifact
    """folder with a Great Expectations suite a dataset, as YAML"""
    data_docs: str
    """path of the Data Docs' first page"""


# ---- models --------------------------------------------------------------------------------------------------------------


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


class History(Record):
    """The team's own outcomes so far, oldest first."""

    outcomes: tuple[Outcome, ...]


CandidateKind = Literal["backbone", "domain", "champion", "version", "scratch"]


class Candidate(Value):
    """Something to transfer from, with every score."""

    name: str
    """unique in a ranking"""
    source: str
    """the data set or version learned from, or ``backbone alone``"""
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


class Curve(Value):
    """One learning curve."""

    name: str
    unit: str
    x: tuple[float, ...]
    """epochs"""
    y: tuple[float, ...]


class TunedBackbone(Record):
    """The backbone after learning from the chosen source; ``model`` is a folder with adapters or weights to start from."""

    source: str | None
    backbone: str
    """name of the backbone beneath"""
    method: str
    model: Artifact | None
    """None when the backbone is used as it is"""
    matched_labels: dict[str, str]
    """label of the target -> label of the source that means the same"""
    rows: int
    curves: tuple[Curve, ...]
    seconds: float


class MethodScore(Value):
    """A method's cross-validated result on the target's labelled rows."""

    method: str
    source: str | None
    accuracy: Measure
    log_loss: Measure
    epochs: int | None
    """epochs at which the held-out loss was lowest, mean over folds"""


class TrainedModel(Record):
    """The candidate for registration."""

    model: Artifact
    source: str | None
    method: str
    cross_validation: tuple[MethodScore, ...]
    reason: str
    trainable_parameters: int
    total_parameters: int
    curves: tuple[Curve, ...]
    settings: dict[str, Any]
    """the method with all its parameters, as they were in the end"""
    notes: tuple[str, ...]
    """what went otherwise than asked for"""
    seconds: float
    peak_mib: float


#: Rung that is trained as the model is, on the same rows, from the same backbone, without any source: what a source is worth is the
#: difference to it.
NO_TRANSFER = "no_transfer"


class Ladder(Record):
    """The baselines' predictions on the target's test rows, made without its test labels."""

    predictions: Artifact
    """Parquet: ``id``, then ``NAME:LABEL`` probabilities for each rung and label; out of fold, for ``model`` too"""
    rungs: tuple[str, ...]
    """weakest idea first"""
    notes: dict[str, str]
    variance_inflation: float = 1.0
    """as ``EvalReport`` has it"""
    seconds: float


# ---- evaluation ----------------------------------------------------------------------------------------------------------


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


class DataFacts(Value):
    """What is known of the data that the model was made and measured with."""

    validated: bool
    checks: int
    """of the target"""
    failed_checks: tuple[str, ...]
    contamination: dict[str, int | None]
    """source that was learned from -> its rows dropped because they stand among the test rows; None where nobody looked"""
    learned_rows: int
    """rows measured on whose input the model, or one that it stands on, learned from; always 0 out of fold, where folds differ"""
    rows: int


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
    classes_renamed: dict[str, str] = {}
    """label as the champion learned it -> its name of today"""
    rows: Literal["held_out", "out_of_fold"] = "held_out"
    """whether models were measured on rows held out from all training, or each on rows that its fold held out"""
    variance_inflation: Annotated[float, Field(ge=1)] = 1.0
    """by how much the variance of a mean over the rows exceeds that of so many independent rows; 1 for rows held out"""
    reloading: Reloading | None = None
    """None where ``evaluation.reload`` did not ask for it"""
    data: DataFacts | None = None
    predictions: Artifact
    """Parquet, columns as ``part.Gate.decide`` says"""
    seconds: float


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


class Registration(Record):
    """What was done in the model registry."""

    model: str
    version: str | None
    """None when the gates refused"""
    alias: Literal["champion", "challenger"] | None
    run_id: str
    uri: str | None
    previous: str | None
    """the champion's version before"""
    reason: str
    waits: bool = False
    """for a person's approval: it passed, and no alias was moved"""


class Report(Record):
    """The decision report of a run."""

    html: Artifact


# ---- the loop ------------------------------------------------------------------------------------------------------------


class DriftResult(Value):
    """One comparison of a window with the reference."""

    test: str
    view: str
    """the column or view compared"""
    statistic: float
    p_value: float
    effect: float
    """size of the difference, in the unit the test names"""
    effect_floor: float
    drifted: bool
    """after the correction for many looks, and above the floor"""
    reason: str


class DriftReport(Record):
    """A window of the prediction log beside the champion's reference data."""

    model: str
    version: str
    window: str
    rows: int
    reference_rows: int
    results: tuple[DriftResult, ...]
    drifted: bool
    evidently_html: Artifact
    evidently_json: Artifact
    created: str
    """UTC, ISO 8601"""


class RetrainDecision(Record):
    """Retrain or not, and why."""

    retrain: bool
    reason: str
    window: str
    data_revision: str
    new_data: bool
    cool_down_until: str | None
    """UTC, ISO 8601"""


def load_json(path: Path) -> Any:
    """Parse a JSON file; a DataError names it if it is broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: expected JSON, found {error}; delete it and run again") from error
