"""What becomes of a model, when it is made anew, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rootstock.params.base import Name, Positive, Section, has_parts
from rootstock.part import DriftTestPart


class RegistrationParams(Section):
    model: Name
    experiment: str
    approval: Literal["automatic", "manual"]
    """manual: a model that passed waits for ``rootstock promote VERSION --approve``"""
    lease_seconds: Annotated[float, Field(gt=0)]
    """for which a command that moves aliases keeps others from doing so, should it be killed"""


class MonitoringParams(Section):
    window_rows: Annotated[int, Field(ge=10)]
    reference_rows: Annotated[int, Field(ge=10)]
    tests: Annotated[tuple[DriftTestPart, ...], AfterValidator(has_parts)]
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """chance of a false alarm over ``looks`` windows"""
    looks: Positive
    cool_down_hours: Annotated[float, Field(ge=0)]
    retrain_on_new_data: bool


class FlowParams(Section):
    retries: Annotated[int, Field(ge=0)]
    retry_delay_seconds: Annotated[float, Field(ge=0)]
    task_runner: Literal["thread", "dask", "ray"]
    """what scores candidates side by side; dask and ray are optional extras"""
    workers: Positive


class StageCompute(Section):
    """Where a stage runs. What it computes depends on it only in rounding, and in the dropout masks of several processes."""

    work_pool: Name | None
    """Prefect work pool whose workers share the project folder; null runs it in the flow's own process"""
    processes: Positive
    """so many train together on the machine where the stage runs, with a GPU each where it has any"""


class ComputeParams(Section):
    finetuning: StageCompute
    """of all stages that train: ``select``, ``tune``, ``finetune``, ``ladder``"""
