"""Rank what the target could learn from: the advisor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.params import BackboneParams, DataParams, SimilarityParams
from rootstock.records import Candidate, History, Incumbent, Measure, PreparedData, SourceRanking, ValidationReport
from rootstock.similarity.candidates import ALONE, CandidateSpec, list_candidates
from rootstock.similarity.choose import choose, order
from rootstock.similarity.evidence import evidence_of, nearness_of
from rootstock.similarity.gain_model import GainModel
from rootstock.similarity.join_sources import Joint, join_sources
from rootstock.similarity.outcomes import bundled_outcomes, kindred_tasks, static_prior
from rootstock.similarity.prediction import Prediction
from rootstock.similarity.score import CandidateScores, embed_dataset, score_candidate
from rootstock.similarity.shared_rows import share_of_rows
from rootstock.similarity.shared_scores import SHARED_UNITS, shared_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Kinds of candidate that have learned some classes.
WITH_HEAD = ("domain", "champion", "version")


@dataclass(frozen=True)
class _Question:
    """What of the target predictions depend on, whatever the candidate."""

    target: str
    nearness: Mapping[str, float]
    """source -> how near it lies to the target, on the first backbone"""
    rows_per_class: float
    confidence: float

    def predict(self, model: GainModel, evidence: Sequence[dict[str, float | None]], sources: Sequence[str]) -> list[Prediction]:
        return model.predict(
            evidence,
            sources,
            target=self.target,
            nearness=self.nearness,
            rows_per_class=self.rows_per_class,
            confidence=self.confidence,
        )


def rank(
    prepared: PreparedData,
    validation: ValidationReport,
    incumbent: Incumbent,
    history: History,
    *,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> SourceRanking:
    """Score every candidate on the same labelled rows, predict each one's gain over no transfer, and choose one or none."""
    started = time.perf_counter()
    specs = list_candidates(prepared, validation, incumbent, modality=data.modality, backbone=backbone, similarity=similarity)
    scored = [
        score_candidate(
            spec, prepared, incumbent, data=data, backbone=backbone, similarity=similarity, workspace=workspace, seed=seed
        )
        for spec in specs
    ]
    domains = [spec.name for spec, each in zip(specs, scored, strict=True) if spec.kind == "domain" and each.excluded is None]
    near = nearness_of(
        {each.name: each.scores for each in scored}, [m.name for m in similarity.metrics if not m.reads_labels], domains=domains
    )
    scored = _with_shared_scores(specs, scored, near, classes=len(prepared.target.labels))
    evidence = evidence_of(
        {each.name: each.scores for each in scored if each.excluded is None},
        {metric.name: metric.unit for metric in similarity.metrics} | SHARED_UNITS,
        alone=ALONE,
        domains=domains,
        classes=len(prepared.target.labels),
    )
    model = _model(evidence, history, modality=data.modality.name)
    rows = max(each.rows for each in scored)
    # Fine-tuning learns from every labelled row, those too that a version in the registry has seen and that are not scored on.
    per_class = prepared.target.splits["train"].rows / len(prepared.target.labels)
    ask = _Question(
        target=prepared.target.name,
        nearness={spec.source: near[spec.name] for spec in reversed(specs) if spec.name in near},
        rows_per_class=per_class,
        confidence=similarity.confidence,
    )
    predicted = _predict(model, specs, evidence, ask)
    candidates = order(
        [
            _candidate(
                spec, each, evidence, predicted.get(spec.name), history=history, similarity=similarity, outcomes=len(model.bundled)
            )
            for spec, each in zip(specs, scored, strict=True)
        ]
    )
    joint = join_sources(candidates, similarity, share_of_rows=share_of_rows(prepared.sources))
    if joint is not None:
        candidates = order([*candidates, _together(joint, model, ask, history=history, similarity=similarity)])
    choice = choose(candidates, similarity, rows=rows)
    chosen = choice.candidate
    return SourceRanking(
        candidates=tuple(candidates),
        chosen=chosen.source if chosen and chosen.kind != "backbone" else None,
        chosen_name=chosen.name if chosen else None,
        chosen_kind=chosen.kind if chosen else "backbone",
        backbone=chosen.backbone if chosen else backbone.name,
        reason=choice.reason,
        rows=rows,
        past_outcomes=len(model.bundled) + len(model.own),
        own_outcomes=len(model.own),
        projection=_project(prepared, candidates, data=data, backbone=backbone, workspace=workspace),
        seconds=time.perf_counter() - started,
    )


def _with_shared_scores(
    specs: Sequence[CandidateSpec], scored: Sequence[CandidateScores], near: Mapping[str, float], *, classes: int
) -> list[CandidateScores]:
    """The same scores, and those of what candidates say held against each other; ``near`` has the nearness of every source."""
    matched = {
        each.name: len(each.matched_labels) / classes if spec.kind in WITH_HEAD and each.excluded is None else None
        for spec, each in zip(specs, scored, strict=True)
    }
    heads = {each.name: each.head_opinions for each in scored}
    means = {each.name: each.mean_opinions for each in scored}
    more = shared_scores(heads, means, matched, near)
    return [each.model_copy(update={"scores": each.scores | more[each.name]}) for each in scored]


def _model(evidence: dict[str, dict[str, float | None]], history: History, *, modality: str) -> GainModel:
    """Reads the evidence that both this ranking and the bundled outcomes have."""
    bundled = bundled_outcomes()
    known = {name for outcome in bundled for name, value in outcome.evidence.items() if value is not None}
    here = {name for each in evidence.values() for name in each}
    return GainModel(bundled, history.outcomes, tuple(sorted(known & here)), kindred_tasks(modality))


def _predict(
    model: GainModel,
    specs: Sequence[CandidateSpec],
    evidence: dict[str, dict[str, float | None]],
    ask: _Question,
) -> dict[str, Prediction]:
    """Candidate -> prediction; none for the controls: no transfer is what gains are measured from."""
    wanted = [spec for spec in specs if spec.name in evidence and spec.name != ALONE and spec.kind != "scratch"]
    if not model.names or not wanted:
        return {}
    found = ask.predict(model, [evidence[spec.name] for spec in wanted], [spec.source for spec in wanted])
    return {spec.name: prediction for spec, prediction in zip(wanted, found, strict=True)}


def _candidate(
    spec: CandidateSpec,
    scored: CandidateScores,
    evidence: dict[str, dict[str, float | None]],
    predicted: Prediction | None,
    *,
    history: History,
    similarity: SimilarityParams,
    outcomes: int,
) -> Candidate:
    return Candidate(
        name=spec.name,
        source=spec.source,
        backbone=spec.backbone,
        kind=spec.kind,
        scores=scored.scores,
        evidence=evidence.get(spec.name, {}),
        predicted_gain=_measure(predicted, outcomes) if predicted else None,
        risk=predicted.risk if predicted else None,
        prior=static_prior(history.outcomes, spec.source, confidence=similarity.confidence),
        matched_labels=scored.matched_labels,
        rows=scored.rows,
        notes=scored.notes,
        excluded=scored.excluded,
    )


def _measure(predicted: Prediction, outcomes: int) -> Measure:
    return Measure(value=predicted.gain, low=predicted.low, high=predicted.high, n=outcomes, unit="accuracy", higher_is_better=True)


def _together(joint: Joint, model: GainModel, ask: _Question, *, history: History, similarity: SimilarityParams) -> Candidate:
    """The best sources as one candidate, scored as their mean, with what is to be expected of them together."""
    (predicted,) = ask.predict(model, [joint.evidence], [joint.source])
    return joint.members[0].model_copy(
        update={
            "name": joint.name,
            "source": joint.source,
            "scores": joint.scores,
            "evidence": joint.evidence,
            "predicted_gain": _measure(predicted, len(model.bundled)),
            "risk": predicted.risk,
            "prior": static_prior(history.outcomes, joint.source, confidence=similarity.confidence),
            "notes": (f"its scores are the means over the {len(joint.members)} sources",),
        }
    )


def _project(
    prepared: PreparedData, candidates: Sequence[Candidate], *, data: DataParams, backbone: BackboneParams, workspace: str
) -> dict[str, tuple[float, float]]:
    """Data sets on a map: the first two principal components of their mean features of the first backbone."""
    import numpy as np

    usable = {each.source for each in candidates if each.kind == "domain" and not each.excluded and each.backbone == backbone.name}
    datasets = [prepared.target, *(source for source in prepared.sources if source.name in usable)]
    means: list[NDArray[np.float64]] = [
        embed_dataset(backbone.name, dataset, data=data, backbone=backbone, workspace=workspace).features.mean(axis=0)
        for dataset in datasets
    ]
    centred = np.array(means) - np.mean(means, axis=0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(datasets), 2))
    kept = min(2, len(singular))
    places[:, :kept] = left[:, :kept] * singular[:kept]
    return {dataset.name: (float(x), float(y)) for dataset, (x, y) in zip(datasets, places, strict=True)}
