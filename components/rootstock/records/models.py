"""What was trained."""

from __future__ import annotations

from typing import Any

from rootstock.records.base import Artifact, Measure, Record, Value


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
