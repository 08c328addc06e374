"""The one plug-in idea: a Part is a file with a class that has frozen parameters and one method, found by its name.

A family is an abstract Part that says which package its members live in. To add a member, add a file to that package with a
class that names itself; nothing else has to be edited. ``params.yaml`` selects it by that name::

    class Example(SimilarityMetric):
        name: Literal["example"] = "example"
        neighbours: int

        def measure(self, pair: Pair) -> float | None: ...
"""

from __future__ import annotations

from rootstock.part.base import AnyPart, Part, members, parse_part
from rootstock.part.data import Check, Modality
from rootstock.part.evaluation import Gate, Perturbation, Sample
from rootstock.part.fields import (
    AugmentationPart,
    CheckPart,
    DriftTestPart,
    FineTuneMethodPart,
    GatePart,
    ModalityPart,
    PerturbationPart,
    QueryStrategyPart,
    SimilarityMetricPart,
    families,
)
from rootstock.part.finetuning import EPOCHS, Augmentation, FineTuneMethod, Fitted, Keep, Rows, Start, UnlabelledRows
from rootstock.part.labelling import Pool, QueryStrategy
from rootstock.part.monitoring import DriftTest, Window
from rootstock.part.similarity import ACCURACY, NATS, Labelled, Pair, SimilarityMetric, Unlabelled

__all__ = [
    "ACCURACY",
    "EPOCHS",
    "NATS",
    "AnyPart",
    "Augmentation",
    "AugmentationPart",
    "Check",
    "CheckPart",
    "DriftTest",
    "DriftTestPart",
    "FineTuneMethod",
    "FineTuneMethodPart",
    "Fitted",
    "Gate",
    "GatePart",
    "Keep",
    "Labelled",
    "Modality",
    "ModalityPart",
    "Pair",
    "Part",
    "Perturbation",
    "PerturbationPart",
    "Pool",
    "QueryStrategy",
    "QueryStrategyPart",
    "Rows",
    "Sample",
    "SimilarityMetric",
    "SimilarityMetricPart",
    "Start",
    "Unlabelled",
    "UnlabelledRows",
    "Window",
    "families",
    "members",
    "parse_part",
]
