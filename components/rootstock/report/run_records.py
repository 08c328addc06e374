"""What the decision report is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rootstock.records import (
    NO_TRANSFER,
    ROW_NOUN,
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    Ladder,
    PreparedData,
    Registration,
    Resolution,
    Scored,
    Selection,
    SourceRanking,
    TrainedModel,
    TunedBackbone,
    ValidationReport,
)
from rootstock.rows import tested_split

#: Name of the gate that refuses a claim of transfer that the control does not bear out.
GUARD = "positive_transfer"


@dataclass(frozen=True, kw_only=True)
class RunRecords:
    """Every record of one run. The late ones are None where the run ended before them, which is a legal end."""

    run_key: str
    """hash of all that the run depends on"""
    started: str
    """UTC, ISO 8601"""
    trigger: str
    """what set it off"""
    params: Mapping[str, Any]
    """``params.yaml`` as plain values"""
    environment: Mapping[str, str]
    """package -> version"""
    backbone_licence: str | None = None
    """as SPDX writes it; None where it states none"""
    seconds: Mapping[str, float]
    """stage -> seconds, in the order of the run"""
    reused: frozenset[str]
    """stages whose earlier result was taken"""
    resolution: Resolution
    prepared: PreparedData | None = None
    validation: ValidationReport | None = None
    incumbent: Incumbent | None = None
    history: History | None = None
    """the team's outcomes before this run"""
    ranking: SourceRanking | None = None
    selection: Selection | None = None
    tuned: TunedBackbone | None = None
    trained: TrainedModel | None = None
    ladder: Ladder | None = None
    evaluation: EvalReport | None = None
    verdict: GateVerdict | None = None
    registration: Registration | None = None

    @property
    def control(self) -> Scored | None:
        """The rung that was trained as the model was, but without transfer: what a gain is counted from."""
        rungs = self.evaluation.baselines if self.evaluation is not None else ()
        return next((rung for rung in rungs if rung.name == NO_TRANSFER), None)

    @property
    def rival(self) -> Scored | None:
        """The champion as it was scored beside the model."""
        return self.evaluation.champion if self.evaluation is not None else None

    @property
    def tested_row(self) -> str:
        """What one of the rows is called that models are measured on."""
        if self.evaluation is not None:
            return ROW_NOUN[self.evaluation.rows]
        is_held_out = self.prepared is None or tested_split(self.prepared.target) == "test"
        return ROW_NOUN["held_out" if is_held_out else "out_of_fold"]

    @property
    def claim_alpha(self) -> float:
        """Error rate at which the gate ``positive_transfer`` lets a claim of transfer stand, or 0.05 without that gate."""
        gates = self.params.get("gates")
        panel = gates.get("panel", ()) if isinstance(gates, Mapping) else ()
        found = next((gate.get("alpha") for gate in panel if isinstance(gate, Mapping) and gate.get("name") == GUARD), None)
        return float(found) if isinstance(found, int | float) else 0.05

    def setting(self, *keys: str, otherwise: float) -> float:
        """A number from ``params`` by its path, or ``otherwise`` where the mapping does not hold it."""
        node: Any = self.params
        for key in keys:
            node = node.get(key) if isinstance(node, Mapping) else None
        return float(node) if isinstance(node, int | float) else otherwise
