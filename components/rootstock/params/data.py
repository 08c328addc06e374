"""Which data, and what is checked of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from rootstock.params.base import Name, Positive, Section, has_parts, names_once
from rootstock.part import CheckPart, ModalityPart


class Columns(Section):
    """Which columns of a table hold what; null where a table has none."""

    input: str
    label: str
    id: str | None
    split: str | None
    keep: Annotated[tuple[str, ...], AfterValidator(names_once)]
    """further columns to keep, by which gates cut the test rows into slices and groups"""
    group: str | None
    """whose rows hang together, such as those of one patient: they stand on one side of every split"""
    time: str | None
    """of which the newest rows are tested on; null tests on a share of each label's rows, whatever their time"""

    @property
    def kept(self) -> tuple[str, ...]:
        """All that is kept with the rows beside what they are made of."""
        return tuple(dict.fromkeys([*self.keep, *(name for name in (self.group, self.time) if name is not None)]))

    def key_of(self, kept: str) -> str:
        """The key by which a column is kept, and what it is set to where there is no such column."""
        if kept in self.keep:
            return "data.columns.keep=[]"
        return "data.columns.group=null" if kept == self.group else "data.columns.time=null"


class DataParams(Section):
    registry: str
    target: Name
    sources: tuple[Name, ...]
    revision: str
    """``latest`` or a tag of the target, ``NAME/vN``"""
    columns: Columns
    modality: ModalityPart
    labels: tuple[str, ...] | None
    labelled_rows_per_class: Annotated[int, Field(ge=2)] | None
    renamed_labels: dict[str, str]
    """label that the target's rows or an older champion bear -> what it is called now"""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None
    """null holds no rows out, which only ``evaluation.rows: out_of_fold`` can do with"""
    test_rows: Positive | None
    source_rows: Positive | None
    max_characters: Positive
    max_pixels: Positive | None
    """a larger image is scaled down to them when it is read"""
    contamination_similarity: Annotated[float, Field(gt=0, le=1)] | None
    """source rows at least so similar to a test row of the target are dropped; null drops only equal ones"""

    @field_validator("test_fraction")
    @classmethod
    def _holds_the_newest_out(cls, value: float | None, info: ValidationInfo) -> float | None:
        columns = info.data.get("columns")
        if value is None and columns is not None and columns.time is not None:
            raise ValueError(
                f"expected a fraction where the newest rows by '{columns.time}' (data.columns.time) are tested on, found null"
            )
        return value


class ValidationParams(Section):
    checks: Annotated[tuple[CheckPart, ...], AfterValidator(has_parts)]
