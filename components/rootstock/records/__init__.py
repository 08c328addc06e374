"""Records: the frozen, typed results of stages, and all that passes between them.

A record is saved as ``record.json`` beside the files it names. It is written last, so a folder without one is unfinished and is
made again. Paths are relative to the project folder (where ``params.yaml`` stands), in which every command runs.
"""

from __future__ import annotations

from rootstock.records.base import INCIDENTAL_KEYS, RECORD_FILE, Artifact, Measure, Record, Value, Verdict, load_json
from rootstock.records.data import (
    KEPT,
    SLICE,
    CheckResult,
    Contamination,
    Dataset,
    DatasetRevision,
    PreparedData,
    Resolution,
    RowsFile,
    ValidationReport,
)
from rootstock.records.evaluation import (
    ROW_NOUN,
    Cost,
    DataFacts,
    Detectable,
    EvalReport,
    GateResult,
    GateVerdict,
    Looks,
    Reloading,
    Scored,
)
from rootstock.records.loop import DriftReport, DriftResult, Registration, Report, RetrainDecision
from rootstock.records.models import NO_TRANSFER, Curve, Ladder, MethodScore, TrainedModel, TunedBackbone
from rootstock.records.transfer import (
    JOINT,
    Candidate,
    CandidateKind,
    EarlierVersion,
    HalvingScore,
    History,
    Incumbent,
    Outcome,
    Selection,
    SourceRanking,
    sources_of,
)

__all__ = [
    "INCIDENTAL_KEYS",
    "JOINT",
    "KEPT",
    "NO_TRANSFER",
    "RECORD_FILE",
    "ROW_NOUN",
    "SLICE",
    "Artifact",
    "Candidate",
    "CandidateKind",
    "CheckResult",
    "Contamination",
    "Cost",
    "Curve",
    "DataFacts",
    "Dataset",
    "DatasetRevision",
    "Detectable",
    "DriftReport",
    "DriftResult",
    "EarlierVersion",
    "EvalReport",
    "GateResult",
    "GateVerdict",
    "HalvingScore",
    "History",
    "Incumbent",
    "Ladder",
    "Looks",
    "Measure",
    "MethodScore",
    "Outcome",
    "PreparedData",
    "Record",
    "Registration",
    "Reloading",
    "Report",
    "Resolution",
    "RetrainDecision",
    "RowsFile",
    "Scored",
    "Selection",
    "SourceRanking",
    "TrainedModel",
    "TunedBackbone",
    "ValidationReport",
    "Value",
    "Verdict",
    "load_json",
    "sources_of",
]
