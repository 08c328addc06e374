"""Data sets, and whether they may be learned from."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from rootstock.records.base import Artifact, Record, Value


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
#: The column of rows and of predictions that says which of them hang together; there is none where each stands for itself.
GROUP = "group"
#: The column of rows that says when, as a number; there is none where the split does not ask.
TIME = "time"
#: Splits of rows that a model asked for: chosen ones are learned from and never tested on, those by chance are as any other.
CHOSEN, SAMPLE = "chosen", "sample"


def kept_columns(names: Iterable[object]) -> list[str]:
    """Those of a table's columns that are further columns which were kept, in their order."""
    return [name for name in map(str, names) if name.startswith(KEPT)]


class RowsFile(Artifact):
    """A Parquet file with the columns ``id``, ``input``, ``label``; ``input`` is a text or the bytes of an image (PNG or JPEG).

    The target's has ``keep:COLUMN`` too, text, for each of ``data.columns.keep``, and ``group`` where ``data.columns.group`` names
    a column.
    """

    rows: int


class Contamination(Value):
    """Rows of a source that stand, equal or nearly so, among the target's test rows; dropped before anything is learned."""

    exact: int
    near: int
    rows: tuple[str, ...]
    """ids of up to 20 of them"""
    labelled: int = 0
    """more that stand among the rows that the target is learned from: those would tell a candidate's trial the answers"""

    @property
    def dropped(self) -> int:
        """Rows in all."""
        return self.exact + self.near + self.labelled


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
    """what was dropped from a source because the target has the same rows; None for the target"""
    capped_from: int | None = None
    """labelled rows of a source before ``data.source_rows`` cut them down; None where it did not"""
    groups: dict[str, int] = Field(default_factory=dict)
    """split -> groups of its rows; empty where each row stands for itself"""
    tested_from: str | None = None
    """time of the oldest test row, as the data write it; None where the newest rows are not what is tested on"""
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
