"""Scores made comparable between tasks: what the advisor reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rootstock.part import ACCURACY, NATS

#: Added to a metric's name: where the candidate stands among the sources of its ranking.
STANDING = " in its ranking"
#: Added to the name of a metric in units of accuracy: the mean over the sources of the ranking, which speaks of the target.
LEVEL = " over its ranking"
#: So many sources are learned from together; a candidate without it is one.
JOINED_SOURCES = "joined sources"


def evidence_of(
    scores: Mapping[str, Mapping[str, float | None]],
    units: Mapping[str, str],
    *,
    alone: str,
    domains: Sequence[str],
    classes: int,
) -> dict[str, dict[str, float | None]]:
    """Candidate -> evidence, from candidate -> score's name -> score, and name -> unit.

    A score is taken less that of the backbone ``alone``, where that has one; log-likelihoods are divided by log c. Beside it stands
    how many standard deviations it lies above the mean of the ranking's ``domains``, drawn towards none where those are few: n of
    them count n / (n + 1). A candidate without a score that some of the domains have stands one deviation below them. Where the
    domains all score the same, as one by itself does, another that scores higher or lower stands one deviation above or below them;
    where there are none, it is measured from ``alone``.
    """
    found: dict[str, dict[str, float | None]] = {name: {} for name in scores}
    for score_name, unit_name in units.items():
        unit = math.log(classes) if unit_name == NATS else 1.0
        base = scores.get(alone, {}).get(score_name) or 0.0
        level = {name: None if (score := each.get(score_name)) is None else (score - base) / unit for name, each in scores.items()}
        known = [value for name in domains or (alone,) if (value := level.get(name)) is not None]
        for name, value in level.items():
            found[name][score_name] = value
            found[name][score_name + STANDING] = _standing(value, known)
            if unit_name == ACCURACY:
                found[name][score_name + LEVEL] = sum(known) / len(known) if known and domains else None
    return found


def nearness_of(
    scores: Mapping[str, Mapping[str, float | None]], names: Sequence[str], *, domains: Sequence[str]
) -> dict[str, float]:
    """Domain -> mean of where the scores ``names``, which read no labels, put it among the ``domains``; 0 where there is none."""
    found = {}
    for domain in domains:
        standings = [
            standing
            for name in names
            if (standing := _standing(scores[domain].get(name), _known(scores, name, domains))) is not None
        ]
        found[domain] = sum(standings) / len(standings) if standings else 0.0
    return found


def _known(scores: Mapping[str, Mapping[str, float | None]], name: str, domains: Sequence[str]) -> list[float]:
    return [value for each in domains if (value := scores[each].get(name)) is not None]


def _standing(value: float | None, known: Sequence[float]) -> float | None:
    if not known:
        return None
    mean = sum(known) / len(known)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in known) / len(known))
    slack = 1e-9 * max(1.0, abs(mean))
    if deviation <= slack:  # nothing to measure by: which side it lies on still counts
        above = 0.0 if value is None or abs(value - mean) <= slack * len(known) else math.copysign(1.0, value - mean)
        return above * len(known) / (len(known) + 1)
    return (-1.0 if value is None else (value - mean) / deviation) * len(known) / (len(known) + 1)
