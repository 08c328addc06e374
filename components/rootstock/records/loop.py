"""What happened in the registry and in the watch."""

from __future__ import annotations

from typing import Literal

from rootstock.records.base import Artifact, Record, Value


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
    drawn_from: int | None = None
    """rows that those were drawn from, one of each group; None where rows have no groups"""
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


class Retraining(Record):
    """A retraining that came to its end."""

    run_key: str
    status: str
    """what it ended in"""
    looked: str
    """when the watch looked before it: UTC, ISO 8601"""
