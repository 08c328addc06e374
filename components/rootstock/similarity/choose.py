"""Choose what to learn from, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rootstock.params import SimilarityParams
from rootstock.records import Candidate

#: Kinds that can be learned from; the others are controls.
ELIGIBLE = ("domain", "champion", "version", "backbone")


@dataclass(frozen=True)
class Choice:
    """The candidate to learn from, or None for the first backbone alone; and why, in words."""

    candidate: Candidate | None
    reason: str


def order(candidates: Sequence[Candidate]) -> list[Candidate]:
    """By predicted gain, highest first; controls without one after those, excluded ones last."""
    return sorted(
        candidates,
        key=lambda c: (
            c.excluded is not None,
            c.predicted_gain is None,
            -(c.predicted_gain.value if c.predicted_gain else 0),
            c.name,
        ),
    )


def choose(candidates: Sequence[Candidate], similarity: SimilarityParams, *, rows: int) -> Choice:
    """The candidate with the highest predicted gain, unless that lies under the floor or its risk above the limit."""
    open_ones = [c for c in order(candidates) if c.excluded is None and c.kind in ELIGIBLE and c.predicted_gain is not None]
    learned = [c for c in open_ones if c.kind != "backbone"]
    if not learned:
        return Choice(None, _nothing(candidates))
    best = open_ones[0]
    gain, risk = best.predicted_gain, best.risk
    if gain is None or risk is None:
        raise TypeError("an open candidate has a prediction")
    expected = (
        f"{best.name} is expected to gain {_points(gain.value)} of accuracy over no transfer ({similarity.confidence:.0%} interval "
        f"{_points(gain.low)} to {_points(gain.high)}), with a risk of {risk:.0%} of making it worse"
    )
    if gain.value < similarity.abstain_below_gain or risk > similarity.max_risk:
        why = (
            f"under the floor of {_points(similarity.abstain_below_gain)}"
            if gain.value < similarity.abstain_below_gain
            else f"above the limit of {similarity.max_risk:.0%}"
        )
        return Choice(None, f"none of the sources is good enough: {expected}, {why}; train on the target alone")
    beside = next((c for c in open_ones[1:] if c.predicted_gain is not None), None)
    second = f"; next is {beside.name} with {_points(beside.predicted_gain.value)}" if beside and beside.predicted_gain else ""
    still = "the champion is still the best start: " if best.kind == "champion" else ""
    return Choice(best, f"{still}{expected}, judged on {rows} labelled rows{second}")


def _nothing(candidates: Sequence[Candidate]) -> str:
    """Why there is nothing to learn from; the first backbone is what is left, whatever the limits say of it."""
    barred = sum(each.excluded is not None and each.kind in ("domain", "champion", "version") for each in candidates)
    why = f" ({barred} excluded)" if barred else ""
    alone = next((each.excluded for each in candidates if each.kind == "backbone" and each.name == each.source), None)
    over = f", though it is over a limit itself: {alone}; raise the limit or name a smaller model in backbone.name" if alone else ""
    return f"there is no source to learn from{why}: the backbone alone is the start{over}"


def _points(share: float) -> str:
    return f"{100 * share:+.1f} points"
