"""Scores made comparable between tasks: what the advisor reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rootstock.part import NATS

#: Added to a metric's name: the score less the mean over the sources of its ranking.
CENTRED = " in its ranking"


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
    its distance from the mean over the ranking's ``domains``: which source is better, whatever the target's own difficulty.
    """
    found: dict[str, dict[str, float | None]] = {name: {} for name in scores}
    for score_name, unit_name in units.items():
        unit = math.log(classes) if unit_name == NATS else 1.0
        base = scores.get(alone, {}).get(score_name) or 0.0
        level = {name: None if (score := each.get(score_name)) is None else (score - base) / unit for name, each in scores.items()}
        known = [value for name in domains if (value := level.get(name)) is not None]
        mean = sum(known) / len(known) if known else 0.0
        for name, value in level.items():
            found[name][score_name] = value
            found[name][score_name + CENTRED] = None if value is None else value - mean
    return found
