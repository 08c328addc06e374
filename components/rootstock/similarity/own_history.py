"""What a team's own outcomes were above what was to be expected, and what that says of the target at hand.

A source that did better than it seemed on targets like this one is likely to do so again. Errors of a ranking are parted into what
all its sources were off by and what each was beyond that; past targets count by how near they are to this one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rootstock.records import Outcome, sources_of

#: What a team has seen counts half once it comes of so many middling targets.
HALF_TRUST = 3.0

#: Of a ranking with one outcome, half of the error is taken for the source's, half for the target's.
TARGET_SHARE = 1.0


@dataclass(frozen=True)
class Shift:
    """By how much predictions are moved."""

    overall: float
    by_source: Mapping[frozenset[str], float]
    """in whatever order they were joined"""

    def __call__(self, source: str) -> float:
        return self.overall + self.by_source.get(frozenset(sources_of(source)), 0.0)


def left_out_errors(outcomes: Sequence[Outcome], errors: Sequence[float]) -> list[float]:
    """Errors (n,) of the team's own outcomes, each less the shift that those on other targets give."""
    targets = [(outcome.task, outcome.target) for outcome in outcomes]
    shifts = {}
    for target in set(targets):
        rest = [index for index, other in enumerate(targets) if other != target]
        shifts[target] = shift_of([outcomes[i] for i in rest], [errors[i] for i in rest], target=target[1], nearness={})
    return [error - shifts[target](outcome.source) for outcome, error, target in zip(outcomes, errors, targets, strict=True)]


def shift_of(outcomes: Sequence[Outcome], errors: Sequence[float], *, target: str, nearness: Mapping[str, float]) -> Shift:
    """Errors (n,) of the team's own outcomes, drawn towards nothing.

    A past target counts exp(its nearness) where it is among the sources of this ranking, as much as the nearest of them where it is
    the ``target`` itself, and as a middling one where nothing is known of it. Outcomes of one source on one target at as many
    labelled rows count once, as their mean.
    """
    near = {**nearness, target: max(nearness.values(), default=0.0)}
    rankings: dict[tuple[str, str, int], dict[frozenset[str], list[float]]] = {}
    for outcome, error in zip(outcomes, errors, strict=True):
        ranking = rankings.setdefault((outcome.task, outcome.target, outcome.labelled_rows), {})
        ranking.setdefault(frozenset(sources_of(outcome.source)), []).append(error)
    overall, weight = 0.0, 0.0
    sums: dict[frozenset[str], tuple[float, float]] = {}
    for (_, name, _), ranking in sorted(rankings.items()):
        counts = math.exp(near.get(name, 0.0))
        means = {source: sum(each) / len(each) for source, each in ranking.items()}
        level = sum(means.values()) / (len(means) + TARGET_SHARE)
        overall, weight = overall + counts * level, weight + counts
        for source, mean in means.items():
            total, mass = sums.get(source, (0.0, 0.0))
            sums[source] = (total + counts * (mean - level), mass + counts)
    by_source = {source: total / (mass + HALF_TRUST) for source, (total, mass) in sums.items()}
    return Shift(overall / (weight + HALF_TRUST), by_source)
