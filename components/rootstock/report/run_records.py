"""What the decision report is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rootstock.records import (
    EvalReport,
    GateVerdict,
    Incumbent,
    Ladder,
    PreparedData,
    Registration,
    Resolution,
    SourceRanking,
    TrainedModel,
    TunedBackbone,
    ValidationReport,
)


@dataclass(frozen=True, kw_only=True)
class RunRecords:
    """Every record of one run. The late ones are None where the run ended before them, which is a legal end."""

    run_key: str
    """hash of all that the run depends on"""
    started: str
    """UTC, ISO 8601"""
    params: Mapping[str, Any]
    """``params.yaml`` as plain values"""
    environment: Mapping[str, str]
    """package -> version"""
    seconds: Mapping[str, float]
    """stage -> seconds, in the order of the run"""
    reused: frozenset[str]
    """stages whose earlier result was taken"""
    resolution: Resolution
    prepared: PreparedData | None = None
    validation: ValidationReport | None = None
    incumbent: Incumbent | None = None
    ranking: SourceRanking | None = None
    tuned: TunedBackbone | None = None
    trained: TrainedModel | None = None
    ladder: Ladder | None = None
    evaluation: EvalReport | None = None
    verdict: GateVerdict | None = None
    registration: Registration | None = None

    def setting(self, *keys: str, otherwise: float) -> float:
        """A number from ``params`` by its path, or ``otherwise`` where the mapping does not hold it."""
        node: Any = self.params
        for key in keys:
            node = node.get(key) if isinstance(node, Mapping) else None
        return float(node) if isinstance(node, int | float) else otherwise
