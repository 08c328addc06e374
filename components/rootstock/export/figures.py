"""What ``export.json`` says: every format with the figures by which it was held against the model that was tested."""

from __future__ import annotations

from rootstock.records import Measure, Value

RECORD_FILE = "export.json"


class ExportedFormat(Value):
    """One format, reloaded from its files in a process of its own and answering the rows."""

    name: str
    folder: str
    """relative to ``export.json``"""
    sha256: str
    mib: float
    equal_labels: Measure
    """share of rows with the label that the tested model gives"""
    largest_difference: float
    """of a probability, over all rows and classes"""
    batch_difference: float
    """largest difference of a probability between a row alone and the same row in a batch"""
    accuracy: Measure | None
    """None where no labels are at hand"""
    points_lost: Measure | None
    """accuracy of the tested model less its own, in points, paired on the same rows"""
    milliseconds_per_row: float
    """median over the rows, asked one by one, reading the input included"""
    packages: dict[str, str]
    """what was imported to answer, with versions"""


class Export(Value):
    """What was exported, from what, compared on what."""

    model: str
    version: str | None
    """None for a model folder that was named itself"""
    sha256: str
    """of the model folder that was tested"""
    rows: int
    rows_path: str
    rows_sha256: str
    accuracy: Measure | None
    """of the tested model"""
    mib: float
    """of the tested model's folder; its pretrained base may lie elsewhere"""
    threads: int
    max_loss_points: float
    formats: tuple[ExportedFormat, ...]
    seconds: float
