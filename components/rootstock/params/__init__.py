"""``params.yaml`` as frozen types. The file holds every value; there are no defaults here."""

from __future__ import annotations

from rootstock.params.base import Name, Positive, Section, Share
from rootstock.params.data import Columns, DataParams, ValidationParams
from rootstock.params.evaluation import EvaluationParams, GatesParams
from rootstock.params.finetuning import FineTuningParams, SearchParams
from rootstock.params.labelling import LabellingParams
from rootstock.params.loop import ComputeParams, FlowParams, MonitoringParams, RegistrationParams, StageCompute
from rootstock.params.read import load_params, parse_params
from rootstock.params.similarity import BackboneParams, HalvingParams, Limits, SimilarityParams
from rootstock.params.task import Params

__all__ = [
    "BackboneParams",
    "Columns",
    "ComputeParams",
    "DataParams",
    "EvaluationParams",
    "FineTuningParams",
    "FlowParams",
    "GatesParams",
    "HalvingParams",
    "LabellingParams",
    "Limits",
    "MonitoringParams",
    "Name",
    "Params",
    "Positive",
    "RegistrationParams",
    "SearchParams",
    "Section",
    "Share",
    "SimilarityParams",
    "StageCompute",
    "ValidationParams",
    "load_params",
    "parse_params",
]
