"""Which backbone, and how sources are weighed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from rootstock.params.base import Positive, Section, Share, has_parts, names_once
from rootstock.part import FineTuneMethodPart, SimilarityMetricPart


class BackboneParams(Section):
    name: str
    """a local folder, ``package:IMPORT_NAME/FOLDER``, or a name on the Hugging Face hub"""
    alternatives: Annotated[tuple[str, ...], AfterValidator(names_once)]
    """other backbones, each ranked with every source beside the first"""
    pooling: Literal["mean", "cls"]
    batch_rows: Positive

    @field_validator("alternatives")
    @classmethod
    def _are_others(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if (first := info.data.get("name")) in value:
            raise ValueError(f"expected backbones other than backbone.name, found {first} again; remove it")
        return value


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
    metrics: Annotated[tuple[SimilarityMetricPart, ...], AfterValidator(has_parts)]
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
    labelled_rows: Positive
    """at most so many labelled rows of the target that candidates are scored on, two a class where those are more"""
    unlabelled_rows: Annotated[int, Field(ge=0)]
    """at most so many rows of the target beside the labelled ones, for metrics that read no labels"""
    joined_sources: Annotated[int, Field(ge=0)]
    """so many of the best sources are a candidate together too; fewer than 2 joins none"""
    earlier_versions: Annotated[int, Field(ge=0)]
    """so many versions before the champion are candidates too, newest first"""
    limits: Limits
    halving: HalvingParams
