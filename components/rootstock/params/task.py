"""All sections of a task, and what has to hold between them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from rootstock.errors import ParamsError, unknown_name
from rootstock.files import sha256_of_json
from rootstock.params.base import Name, Section
from rootstock.params.data import DataParams, ValidationParams
from rootstock.params.evaluation import EvaluationParams, GatesParams, none_on_purpose
from rootstock.params.finetuning import FineTuningParams
from rootstock.params.labelling import LabellingParams
from rootstock.params.loop import ComputeParams, FlowParams, MonitoringParams, RegistrationParams
from rootstock.params.similarity import BackboneParams, SimilarityParams


class Params(Section):
    """The whole of ``params.yaml``."""

    task: Name
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    workspace: str
    data: DataParams
    validation: ValidationParams
    backbone: BackboneParams
    similarity: SimilarityParams
    finetuning: FineTuningParams
    evaluation: EvaluationParams
    gates: Annotated[GatesParams | None, BeforeValidator(none_on_purpose)]
    """None where the file says ``gates: none``: every model is promoted, on purpose"""
    registration: RegistrationParams
    monitoring: MonitoringParams
    labelling: LabellingParams
    flow: FlowParams
    compute: ComputeParams

    @field_validator("evaluation")
    @classmethod
    def _has_rows_to_measure_on(cls, value: EvaluationParams, info: ValidationInfo) -> EvaluationParams:
        data = info.data.get("data")
        if data is not None and (value.rows == "out_of_fold") != (data.test_fraction is None):
            found = "null" if data.test_fraction is None else f"{data.test_fraction:g}"
            raise ValueError(
                "expected a data.test_fraction with rows: held_out, or null with rows: out_of_fold, "
                f"found {found} with {value.rows}; change one of them"
            )
        return value

    @field_validator("gates")
    @classmethod
    def _has_perturbations_for_gates(cls, value: GatesParams | None, info: ValidationInfo) -> GatesParams | None:
        evaluation = info.data.get("evaluation")
        panel = value.panel if value is not None and evaluation is not None else ()
        asked = tuple(each.name for each in evaluation.perturbations) if evaluation is not None else ()
        for gate in panel:
            judged = gate.perturbations()
            if unknown := [name for name in judged or () if name not in asked]:
                said = unknown_name(f"perturbation of gate {gate.name}", unknown[0], asked)
                raise ValueError(f"{said}; evaluation.perturbations names those that the model is asked under")
            if missing := [name for name in asked if judged is not None and name not in judged]:
                raise ValueError(
                    f"expected gate {gate.name} to name each of evaluation.perturbations, found no '{missing[0]}'; "
                    "null sets no limit"
                )
        return value

    @field_validator("gates")
    @classmethod
    def _has_columns_for_gates(cls, value: GatesParams | None, info: ValidationInfo) -> GatesParams | None:
        data = info.data.get("data")
        kept = data.columns.keep if data is not None else ()
        for gate in value.panel if value is not None and data is not None else ():
            if unknown := [column for column in gate.kept_columns() if column not in kept]:
                said = unknown_name(f"column of gate {gate.name}", unknown[0], kept)
                raise ValueError(f"{said}; data.columns.keep names the columns that are kept of the data")
        return value

    def check_perturbations(self) -> None:
        """Raise ParamsError for a perturbation that reads other data than the task has; commands that never evaluate do not ask."""
        read = self.data.modality.name
        if wrong := [each for each in self.evaluation.perturbations if each.reads != read]:
            raise ParamsError(
                f"evaluation.perturbations: expected perturbations that read {read}, as data.modality says, found {wrong[0].name}, "
                f"which reads {wrong[0].reads}; remove it, there and from gates.panel"
            )

    def sha256(self, sections: tuple[str, ...]) -> str:
        """Hash of the named sections."""
        return sha256_of_json(self.model_dump(mode="json", include=set(sections)))
