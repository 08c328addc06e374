"""Every family, and the type of a field of the params that holds one of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, SerializeAsAny

from rootstock.part.base import Part, parse_part
from rootstock.part.data import Check, Modality
from rootstock.part.evaluation import Gate, Perturbation
from rootstock.part.finetuning import Augmentation, FineTuneMethod
from rootstock.part.labelling import QueryStrategy
from rootstock.part.monitoring import DriftTest
from rootstock.part.similarity import SimilarityMetric


def families() -> tuple[type[Part], ...]:
    """Every family, in the order of the pipeline."""
    return (Modality, Check, SimilarityMetric, Augmentation, FineTuneMethod, Perturbation, Gate, DriftTest, QueryStrategy)


if TYPE_CHECKING:
    ModalityPart = Modality
    CheckPart = Check
    SimilarityMetricPart = SimilarityMetric
    AugmentationPart = Augmentation
    PerturbationPart = Perturbation
    FineTuneMethodPart = FineTuneMethod
    GatePart = Gate
    DriftTestPart = DriftTest
    QueryStrategyPart = QueryStrategy
else:

    def _field(family):
        return Annotated[SerializeAsAny[family], BeforeValidator(lambda value: parse_part(family, value))]

    ModalityPart = _field(Modality)
    CheckPart = _field(Check)
    SimilarityMetricPart = _field(SimilarityMetric)
    AugmentationPart = _field(Augmentation)
    PerturbationPart = _field(Perturbation)
    FineTuneMethodPart = _field(FineTuneMethod)
    GatePart = _field(Gate)
    DriftTestPart = _field(DriftTest)
    QueryStrategyPart = _field(QueryStrategy)
