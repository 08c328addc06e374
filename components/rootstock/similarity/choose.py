"""Combine the scores of candidates, and choose one or none."""

from __future__ import annotations

from collections.abc import Sequence

from rootstock.params import SimilarityParams
from rootstock.part import SimilarityMetric
from rootstock.records import Candidate, SourceRanking


def combine(candidates: Sequence[Candidate], metrics: Sequence[SimilarityMetric]) -> list[Candidate]:
    """Candidates with the weighted mean of their standardised scores, over the metrics defined for them; best first."""
    standardised = {metric.name: _standardise(candidates, metric.name) for metric in metrics}
    weights = {metric.name: metric.weight for metric in metrics if metric.weight > 0}
    combined = []
    for index, candidate in enumerate(candidates):
        parts = [(weight, standardised[name].get(index)) for name, weight in weights.items()]
        defined = [(weight, score) for weight, score in parts if score is not None]
        total = sum(weight for weight, _ in defined)
        value = sum(weight * score for weight, score in defined) / total if total else None
        combined.append(candidate.model_copy(update={"combined": value}))
    return sorted(combined, key=lambda c: (c.excluded is not None, c.combined is None, -(c.combined or 0.0), c.source))


def _standardise(candidates: Sequence[Candidate], metric: str) -> dict[int, float]:
    scores = {i: score for i, c in enumerate(candidates) if c.kind != "backbone" and (score := c.scores[metric]) is not None}
    if not scores:
        return {}
    mean = sum(scores.values()) / len(scores)
    deviation = (sum((score - mean) ** 2 for score in scores.values()) / len(scores)) ** 0.5
    return {i: (score - mean) / deviation if deviation > 0 else 0.0 for i, score in scores.items()}


def choose(candidates: Sequence[Candidate], similarity: SimilarityParams, *, rows: int, seconds: float) -> SourceRanking:
    """The best candidate by combined score, unless its predicted gain lies under the floor in the params."""
    floor = similarity.abstain_below_gain
    best = next((c for c in candidates if c.combined is not None and c.excluded is None), None)
    gain = best.predicted_gain if best else None
    if best is None or gain is None:
        reason, chosen = "there is no source to learn from: the backbone alone is the start", None
    elif gain.value < floor:
        reason = (
            f"none of the sources is good enough: the best, {best.source}, has a predicted gain of {_points(gain.value)} "
            f"(interval {_points(gain.low)} to {_points(gain.high)}), under the floor of {_points(floor)}; "
            "the backbone alone is the start"
        )
        chosen = None
    else:
        second = next((c for c in candidates if c.combined is not None and c is not best), None)
        ahead = f", ahead of {second.source} ({second.combined:+.2f})" if second else ""
        reason = (
            f"{best.source} has the best combined score ({best.combined:+.2f}{ahead}) on {rows} labelled rows; "
            f"predicted gain {_points(gain.value)} (interval {_points(gain.low)} to {_points(gain.high)})"
        )
        chosen = best
    return SourceRanking(
        candidates=tuple(candidates), chosen=chosen.source if chosen else None, chosen_kind=chosen.kind if chosen else "backbone",
        reason=reason, rows=rows, seconds=seconds,
    )  # fmt: skip


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"
