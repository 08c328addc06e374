"""What the advisor predicted and what came of it, over the team's history."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rootstock.records import Outcome
from rootstock.report.paired import Difference
from rootstock.report.run_records import RunRecords
from rootstock.report.transfer import picked

#: Interval of a gain of which only the value was kept.
UNKNOWN = (math.nan, math.nan)


@dataclass(frozen=True)
class Realised:
    """One choice with both its gains."""

    source: str
    target: str
    predicted: float
    realised: float
    low: float
    """of the realised gain, NaN where it is not known"""
    high: float
    same_task: bool
    now: bool
    """whether it is that of this run"""


@dataclass(frozen=True)
class Record:
    """How good the predictions were."""

    n: int
    error: float
    """mean absolute difference of predicted and realised gain"""
    bias: float
    """mean of predicted less realised: above nought is too hopeful"""
    negative: int
    """choices that made the model worse"""


def realised_choices(outcomes: Sequence[Outcome], *, task: str) -> tuple[Realised, ...]:
    """Past outcomes that had a prediction, oldest first."""
    return tuple(
        Realised(each.source, each.target, each.predicted, each.realised, *UNKNOWN, same_task=each.task == task, now=False)
        for each in outcomes
        if each.predicted is not None and math.isfinite(each.predicted) and math.isfinite(each.realised)
    )


def this_choice(run: RunRecords, realised: Difference | None) -> Realised | None:
    """This run's own outcome; None where nothing was transferred, predicted or measured, or measured over another backbone."""
    if run.ranking is None or realised is None or (run.trained is not None and run.trained.source is None):
        return None
    pick = picked(run.ranking, run.selection)
    gain = pick.candidate.predicted_gain if pick.candidate is not None else None
    if pick.alone or pick.source is None or pick.candidate is None or gain is None:
        return None
    if pick.candidate.backbone != run.ranking.first_backbone:
        return None
    name, target = pick.name or pick.source, run.resolution.target.dataset
    return Realised(name, target, gain.value, realised.value, realised.low, realised.high, same_task=True, now=True)


def record_of(choices: Sequence[Realised]) -> Record | None:
    """How good the predictions were; None without any."""
    if not choices:
        return None
    errors = [each.predicted - each.realised for each in choices]
    return Record(
        len(choices),
        math.fsum(map(abs, errors)) / len(errors),
        math.fsum(errors) / len(errors),
        sum(each.realised < 0 for each in choices),
    )
