"""How a model is measured, and which gates it has to pass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from rootstock.params.base import Positive, Section, each_once, has_parts
from rootstock.part import FineTuneMethodPart, GatePart, PerturbationPart


class EvaluationParams(Section):
    rows: Literal["held_out", "out_of_fold"]
    """out_of_fold: nothing is held out; each labelled row is predicted by fits whose fold held it out"""
    folds: Annotated[int, Field(ge=2)]
    """of out_of_fold"""
    repeats: Positive
    """of out_of_fold, each with other folds; a row's probabilities are averaged over them"""
    confidence: Annotated[float, Field(gt=0, lt=1)]
    bootstrap_draws: Annotated[int, Field(ge=100)]
    calibration_bins: Annotated[int, Field(ge=2)]
    scratch: FineTuneMethodPart
    perturbations: Annotated[tuple[PerturbationPart, ...], AfterValidator(each_once)]
    """changes to the test rows that the model is asked about too; none is legal"""
    reload: bool
    """whether the model is also asked as it ships: by its own loader, in a process of its own"""


def _has_gates(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value:
        raise ValueError("expected at least one gate, found an empty panel; a pipeline without gates must say 'gates: none'")
    return has_parts(value)


def none_on_purpose(value: object) -> object:
    """None for the word ``none``, any other value as it is; ValueError for nothing at all."""
    if value is None:
        raise ValueError("expected the section's keys, found nothing; a pipeline without gates must say 'gates: none'")
    return None if value == "none" else value


class GatesParams(Section):
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """chance that, in a year of candidates that are no better than the champion, any is promoted"""
    looks: Positive
    """candidates compared with a champion in a year at most"""
    panel: Annotated[tuple[GatePart, ...], AfterValidator(_has_gates)]
