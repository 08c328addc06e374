"""What the target could learn from: every backbone with every source, the champion and versions before it, and the controls."""

from __future__ import annotations

from pathlib import Path

from rootstock.backbone import locate
from rootstock.classifier import read_card
from rootstock.errors import InputError
from rootstock.licence import is_allowed
from rootstock.params import BackboneParams, SimilarityParams
from rootstock.part import Modality
from rootstock.records import CandidateKind, Incumbent, PreparedData, ValidationReport, Value
from rootstock.similarity.limits import over_limit

ALONE = "backbone alone"
CHAMPION = "champion"
SCRATCH = "from scratch"


class CandidateSpec(Value):
    """A candidate before it is scored: all that scoring needs to be told."""

    name: str
    source: str
    backbone: str
    kind: CandidateKind
    excluded: str | None
    """why it is not scored"""


def list_candidates(
    prepared: PreparedData,
    validation: ValidationReport,
    incumbent: Incumbent,
    *,
    modality: Modality,
    backbone: BackboneParams,
    similarity: SimilarityParams,
) -> tuple[CandidateSpec, ...]:
    """Candidates in a fixed order, the first backbone alone first.

    A source or backbone that cannot be used is named with its reason, and stays in the list. Raises BackboneError only for the
    first backbone: without it there is nothing to compare with.
    """
    locate(backbone.name)
    specs = [CandidateSpec(name=ALONE, source=ALONE, backbone=backbone.name, kind="backbone", excluded=None)]
    for name in (backbone.name, *backbone.alternatives):
        trouble = _backbone_trouble(name, first=backbone.name, modality=modality, similarity=similarity)
        if name != backbone.name:
            specs.append(_spec(ALONE, name, "backbone", first=backbone.name, excluded=trouble))
        specs += [
            _spec(source, name, "domain", first=backbone.name, excluded=why or trouble)
            for source, why in _sources(prepared, validation, similarity).items()
        ]
    specs.append(CandidateSpec(name=SCRATCH, source=SCRATCH, backbone=backbone.name, kind="scratch", excluded=None))
    return (*specs, *_versions(incumbent))


def _spec(source: str, backbone: str, kind: CandidateKind, *, first: str, excluded: str | None) -> CandidateSpec:
    name = source if backbone == first else f"{source} on {backbone}"
    return CandidateSpec(name=name, source=source, backbone=backbone, kind=kind, excluded=excluded)


def _sources(prepared: PreparedData, validation: ValidationReport, similarity: SimilarityParams) -> dict[str, str | None]:
    """Every source that the params name, with the reason that bars it."""
    allowed = similarity.limits.licences
    found: dict[str, str | None] = {}
    for source in prepared.sources:
        licence = source.licence
        barred = (
            f"its licence is {licence or 'unknown'}, allowed are {', '.join(allowed)}"
            if allowed is not None and not is_allowed(licence, allowed)
            else None
        )
        found[source.name] = validation.excluded_sources.get(source.name) or barred
    return found | prepared.unusable_sources


def _backbone_trouble(name: str, *, first: str, modality: Modality, similarity: SimilarityParams) -> str | None:
    try:
        return over_limit(locate(name), name, similarity.limits, modality=modality)
    except InputError as error:
        if name == first:
            raise
        return str(error)


def _versions(incumbent: Incumbent) -> list[CandidateSpec]:
    found = []
    if incumbent.version is not None and incumbent.model is not None:
        base = read_card(Path(incumbent.model.path)).base.name
        found.append(CandidateSpec(name=CHAMPION, source=CHAMPION, backbone=base, kind="champion", excluded=None))
    for earlier in incumbent.earlier:
        name, base = f"version {earlier.version}", read_card(Path(earlier.model.path)).base.name
        found.append(CandidateSpec(name=name, source=name, backbone=base, kind="version", excluded=None))
    return found
