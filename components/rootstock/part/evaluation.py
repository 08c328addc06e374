"""Parts that try a model and decide about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rootstock.part.base import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from rootstock.records import Detectable, EvalReport, GateResult


class Perturbation(Part, ABC):
    """A change to a test row that leaves a person's answer as it is, and should leave a model's."""

    family: ClassVar[str] = "perturbation"
    package: ClassVar[str] = "rootstock.evaluation.perturbation"

    reads: ClassVar[str]
    """name of the modality whose inputs it changes"""

    @abstractmethod
    def perturb(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        """n changed inputs in the same order, images opened; the same seed gives the same ones. ``inputs`` stay as they are."""


@dataclass(frozen=True)
class Sample:
    """A test set before any model is tried on it, and what two models on it are expected to be like."""

    rows: int
    class_rows: dict[str, int]
    """label -> rows"""
    slice_rows: dict[str, dict[str, int]]
    """kept column -> value -> rows"""
    accuracy: float
    """expected of both"""
    discordance: float
    """share of rows on which exactly one of them is expected to be right"""


class Gate(Part, ABC):
    """One condition for promotion, decided from the evaluation alone."""

    family: ClassVar[str] = "gate"
    package: ClassVar[str] = "rootstock.evaluation"

    @abstractmethod
    def decide(self, report: EvalReport, rows: pd.DataFrame, *, level: float) -> GateResult:
        """Judge.

        ``rows`` holds the n test rows: ``id``, ``label``, ``predicted:NAME`` and ``probability:NAME`` (of the predicted label) for
        ``model``, baselines and ``champion`` (null where it was not asked); ``probabilities:NAME``, lists in the order of
        ``report.labels`` for ``model`` and of ``report.champion_labels`` for ``champion``; ``predicted:model~NAME`` for each of
        ``evaluation.perturbations``, and ``changed:model~NAME``, whether it changed the row at all;
        ``probabilities:reloaded`` where ``report.reloading`` says that the shipped model answered; ``slice:COLUMN`` for each column
        of the data that ``data.columns.keep`` names, and ``slice:length`` of texts; ``group`` where rows hang together: what is
        computed of them takes their design effect (``pair_of`` does, given ``group_numbers(rows)``).

        ``level`` is this look's share of the panel's error rate (see ``Looks``): the chance at which a gate may let a candidate
        pass that is no better than the champion. Zero means that the year's share is spent, and nothing can be shown.
        """

    def detectable(self, sample: Sample, *, level: float, wanted: float | None) -> tuple[Detectable, ...]:
        """What this gate can tell with a test set like ``sample``; empty for a gate whose answer does not hang on the rows.

        ``wanted`` is the difference that one asks about; None for the gate's own margin, where it has one.
        """
        return ()

    def kept_columns(self) -> tuple[str, ...]:
        """Columns of the data that it needs; params that do not keep them are refused."""
        return ()

    def perturbations(self) -> tuple[str, ...] | None:
        """Names of the perturbations that it judges, which must be those that the params ask for; None where it judges none."""
        return None
