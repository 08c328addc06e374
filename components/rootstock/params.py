"""``params.yaml`` as frozen types. The file holds every value; there are no defaults here."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from rootstock.errors import ParamsError, unknown_name
from rootstock.files import read_utf8, sha256_of_json
from rootstock.part import (
    CheckPart,
    DriftTestPart,
    FineTuneMethodPart,
    GatePart,
    ModalityPart,
    PerturbationPart,
    SimilarityMetricPart,
    families,
    members,
)

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


def _each_once(value: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [part.name for part in value]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"expected each name once, found {', '.join(repeated)} more than once")
    return value


def _has_parts(value: tuple[Any, ...]) -> tuple[Any, ...]:
    _each_once(value)
    if not value:
        raise ValueError("expected at least one entry, found an empty list")
    return value


def _columns_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := sorted({name for name in value if value.count(name) > 1}):
        raise ValueError(f"expected each name once, found {', '.join(repeated)} more than once")
    return value


def _has_gates(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if not value:
        raise ValueError("expected at least one gate, found an empty panel; a pipeline without gates must say 'gates: none'")
    return _has_parts(value)


def _none_on_purpose(value: object) -> object:
    if value is None:
        raise ValueError("expected the section's keys, found nothing; a pipeline without gates must say 'gates: none'")
    return None if value == "none" else value


class Section(BaseModel):
    """Base of every section: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Columns(Section):
    """Which columns of a table hold what; null where a table has none."""

    input: str
    label: str
    id: str | None
    split: str | None
    keep: Annotated[tuple[str, ...], AfterValidator(_columns_once)]
    """further columns to keep, by which gates cut the test rows into slices and groups"""


class DataParams(Section):
    registry: str
    target: Name
    sources: tuple[Name, ...]
    revision: str
    """``latest`` or a tag of the target, ``NAME/vN``"""
    columns: Columns
    modality: ModalityPart
    labels: tuple[str, ...] | None
    labelled_rows_per_class: Annotated[int, Field(ge=2)] | None
    renamed_labels: dict[str, str]
    """label that the target's rows or an older champion bear -> what it is called now"""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None
    """null holds no rows out, which only ``evaluation.rows: out_of_fold`` can do with"""
    test_rows: Positive | None
    source_rows: Positive | None
    max_characters: Positive
    contamination_similarity: Annotated[float, Field(gt=0, le=1)] | None
    """source rows at least so similar to a test row of the target are dropped; null drops only equal ones"""


class ValidationParams(Section):
    checks: Annotated[tuple[CheckPart, ...], AfterValidator(_has_parts)]


class BackboneParams(Section):
    name: str
    """a local folder, ``package:IMPORT_NAME/FOLDER``, or a name on the Hugging Face hub"""
    alternatives: tuple[str, ...]
    """other backbones, each ranked with every source beside the first"""
    pooling: Literal["mean", "cls"]
    batch_rows: Positive


class Limits(Section):
    """What a candidate may cost; null sets no limit. One over a limit is excluded, with its reason."""

    licences: tuple[str, ...] | None
    """licences allowed, of the backbone and of the source, as SPDX writes them; an unknown licence is not among them"""
    parameters: Positive | None
    milliseconds_per_row: Annotated[float, Field(gt=0)] | None
    mib: Annotated[float, Field(gt=0)] | None
    """of the backbone's weights on disk"""


class HalvingParams(Section):
    """Successive halving: the top candidates are tuned for short, the better half for longer, until one is clearly ahead."""

    candidates: Annotated[int, Field(ge=0)]
    """so many of the ranking's best enter; fewer than 2 leaves the ranking's choice as it is"""
    source_rows: Annotated[int, Field(ge=10)]
    """rows of each source in the first round; doubled every round"""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """error rate of calling a leader clear, over all comparisons"""
    method: FineTuneMethodPart
    """how the backbone learns from so many rows"""


class SimilarityParams(Section):
    metrics: Annotated[tuple[SimilarityMetricPart, ...], AfterValidator(_has_parts)]
    folds: Annotated[int, Field(ge=2)]
    """of the cross-validation by which successive halving compares"""
    repeats: Positive
    confidence: Annotated[float, Field(gt=0, lt=1)]
    """of the interval of a predicted gain"""
    abstain_below_gain: float
    """predicted gain under which no source is chosen"""
    max_risk: Share
    """probability of negative transfer above which a source is not chosen"""
    label_match_cosine: Share
    """class names that are not equal match where their embeddings are at least so close; 1 matches equal names only"""
    unlabelled_rows: Annotated[int, Field(ge=0)]
    """at most so many rows of the target beside the labelled ones, for metrics that read no labels"""
    earlier_versions: Annotated[int, Field(ge=0)]
    """so many versions before the champion are candidates too, newest first"""
    limits: Limits
    halving: HalvingParams


class SearchParams(Section):
    minutes: Annotated[float, Field(gt=0)]
    trials: Annotated[int, Field(ge=1)]
    factor: Annotated[float, Field(gt=1)]
    """how far below and above the params' own learning rates to look"""


class FineTuningParams(Section):
    source: FineTuneMethodPart
    """how the backbone learns from the chosen source"""
    methods: Annotated[tuple[FineTuneMethodPart, ...], AfterValidator(_has_parts)]
    choose: Literal["cross_validation", "auto"]
    """cross_validation compares all methods on folds of the labelled rows; auto takes one by the rule of ``choose_method``"""
    budget_minutes: Annotated[float, Field(gt=0)] | None
    """a method that auto predicts to train for longer is not taken; null sets no limit"""
    search: SearchParams | None
    """of better learning rates for the chosen method; null searches none"""
    folds: Annotated[int, Field(ge=2)]
    precision: Literal["auto", "float32"]
    """auto: frozen weights are held in bfloat16 where this machine was measured to be faster with it"""
    checkpoint_minutes: Annotated[float, Field(gt=0)]
    """between two checkpoints of a training; one is written when it is told to stop, too"""


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
    perturbations: Annotated[tuple[PerturbationPart, ...], AfterValidator(_each_once)]
    """changes to the test rows that the model is asked about too; none is legal"""
    reload: bool
    """whether the model is also asked as it ships: by its own loader, in a process of its own"""


class GatesParams(Section):
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """chance that, in a year of candidates that are no better than the champion, any is promoted"""
    looks: Positive
    """candidates compared with a champion in a year at most"""
    panel: Annotated[tuple[GatePart, ...], AfterValidator(_has_gates)]


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
    tests: Annotated[tuple[DriftTestPart, ...], AfterValidator(_has_parts)]
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
    """Where a stage runs. What it computes does not depend on it."""

    work_pool: Name | None
    """Prefect work pool whose workers share the project folder; null runs it in the flow's own process"""


class ComputeParams(Section):
    finetuning: StageCompute
    """of all stages that train: ``select``, ``tune``, ``finetune``, ``ladder``"""


class Params(Section):
    """The whole of ``params.yaml``."""

    task: Name
    seed: int
    workspace: str
    data: DataParams
    validation: ValidationParams
    backbone: BackboneParams
    similarity: SimilarityParams
    finetuning: FineTuningParams
    evaluation: EvaluationParams
    gates: Annotated[GatesParams | None, BeforeValidator(_none_on_purpose)]
    """None where the file says ``gates: none``: every model is promoted, on purpose"""
    registration: RegistrationParams
    monitoring: MonitoringParams
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


def load_params(path: Path, overrides: tuple[str, ...] = ()) -> Params:
    """Read and check ``params.yaml``, then apply ``a.b=c`` overrides.

    Raises ParamsError with the full path of the first wrong key, what was expected and what was found.
    """
    if not path.is_file():
        raise ParamsError(f"{path}: expected a params file, found nothing; 'rootstock init NAME' writes one")
    try:
        raw = yaml.safe_load(read_utf8(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{path}{where}: expected YAML, found {getattr(error, 'problem', error)}") from error
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: expected a mapping of sections, found {type(raw).__name__}; compare 'rootstock init NAME'")
    for override in overrides:
        _apply(raw, override)
    return parse_params(raw, path.name)


def parse_params(raw: object, where: str) -> Params:
    """Check an already parsed mapping; ``where`` names it in errors."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsError(_one_line(error, where, raw)) from error


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ParamsError(f"--set {override}: expected KEY.PATH=VALUE, found no '='")
    steps = key.split(".")
    node: Any = raw
    for depth, step in enumerate(steps):
        place: Any = int(step) if isinstance(node, list) and step.isdecimal() else step
        known = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
        if place not in known:
            parent = ".".join(steps[:depth]) or "params"
            raise ParamsError(f"--set {override}: {unknown_name(f'key of {parent}', step, map(str, known))}")
        if depth == len(steps) - 1:
            node[place] = _value(override, text)
        else:
            node = node[place]


def _value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"--set {override}: expected a YAML value, found {getattr(error, 'problem', None) or error}") from error


def _one_line(error: ValidationError, where: str, raw: object) -> str:
    details = error.errors(include_url=False)
    first = details[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            said = unknown_name("key", first["loc"][-1], _known_keys(raw, first["loc"][:-1]))
        case "missing":
            said = "expected a value, found none; every key has its value in the file"
        case "value_error":
            said = str(first["ctx"]["error"])
        case _:
            said = f"{first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}"
    return f"{where}: {path}: {said}{more}"


def _section_of(annotation: Any) -> Any:
    """The section that an annotation such as ``Section | None`` allows."""
    return next((each for each in typing.get_args(annotation) if inspect.isclass(each) and issubclass(each, Section)), annotation)


def _known_keys(raw: Any, steps: tuple[int | str, ...]) -> tuple[str, ...]:
    """Keys of the section, or of the Part, at ``steps``."""
    model: Any = Params
    for step in steps:
        raw = raw[step]
        field = getattr(model, "model_fields", {}).get(step)
        model = _section_of(getattr(field, "annotation", None))
    named = raw.get("name")
    parts = (family_members[named] for family in families() if named in (family_members := members(family)))
    found = model if inspect.isclass(model) and issubclass(model, Section) else next(parts)
    return tuple(found.model_fields)
