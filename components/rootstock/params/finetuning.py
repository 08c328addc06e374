"""How the backbone learns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rootstock.params.base import Section, has_parts
from rootstock.part import FineTuneMethodPart


class SearchParams(Section):
    minutes: Annotated[float, Field(gt=0)]
    trials: Annotated[int, Field(ge=1)]
    factor: Annotated[float, Field(gt=1)]
    """how far below and above the params' own learning rates to look"""


class FineTuningParams(Section):
    source: FineTuneMethodPart
    """how the backbone learns from the chosen source"""
    methods: Annotated[tuple[FineTuneMethodPart, ...], AfterValidator(has_parts)]
    choose: Literal["cross_validation", "auto"]
    """cross_validation compares all methods on folds of the labelled rows; auto takes one by the rule of ``choose_method``"""
    budget_minutes: Annotated[float, Field(gt=0)] | None
    """a method that auto predicts to train for longer is not taken; null sets no limit"""
    search: SearchParams | None
    """of better learning rates for the chosen method; null searches none"""
    folds: Annotated[int, Field(ge=2)]
    precision: Literal["auto", "float32"]
    """auto: frozen weights are held in bfloat16 where this machine was measured to be faster with it, and a GPU that knows bfloat16
    computes forward passes in it"""
    checkpoint_minutes: Annotated[float, Field(gt=0)]
    """between two checkpoints of a training; one is written when it is told to stop, too"""
