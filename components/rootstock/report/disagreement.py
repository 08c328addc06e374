"""The test rows on which the new model and the champion disagree most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rootstock.records import EvalReport, RowsFile
from rootstock.report.predictions import CHAMPION, MODEL, Predictions, inputs_of, shown

#: What the new model's answer did to a row.
MENDED, BROKEN, BOTH_WRONG = "mended", "broken", "both wrong"


@dataclass(frozen=True)
class Answer:
    """What one model said of a row."""

    label: str
    probability: float


@dataclass(frozen=True)
class Disagreement:
    """A row with both answers."""

    id: str
    label: str
    model: Answer
    champion: Answer
    distance: float
    """total variation between the two distributions over all classes, 0 to 1"""
    outcome: str
    """``mended`` where only the new model has it right, ``broken`` where only the champion has"""
    text: str
    image: str | None


def disagreements(predictions: Predictions, report: EvalReport, rows: RowsFile | None, *, most: int) -> tuple[Disagreement, ...]:
    """Rows with another answer, those first on which the two differ most; then by id.

    The difference is the total variation distance, half the sum of |p - q| over the classes of both, where a class that one of them
    does not know has probability nought with it. Empty without a champion, or without its probabilities.
    """
    ours, theirs = predictions.distributions.get(MODEL), predictions.distributions.get(CHAMPION)
    if ours is None or theirs is None or CHAMPION not in predictions.predicted or not report.champion_labels:
        return ()
    found = []
    for index in predictions.asked(CHAMPION):
        mine, other = ours[index], theirs[index]
        differs = predictions.predicted[MODEL][index] != predictions.predicted[CHAMPION][index]
        if differs and mine is not None and other is not None:
            found.append((-total_variation(mine, report.labels, other, report.champion_labels), predictions.ids[index], index))
    worst = sorted(found)[:most]
    inputs = inputs_of(rows, {key for _, key, _ in worst})
    return tuple(_row(predictions, index, -distance, inputs.get(key)) for distance, key, index in worst)


def answered_differently(predictions: Predictions) -> dict[str, int]:
    """Outcome -> rows on which the two give different answers."""
    found: dict[str, int] = {}
    for index in predictions.asked(CHAMPION) if CHAMPION in predictions.predicted else ():
        ours, theirs = predictions.predicted[MODEL][index], predictions.predicted[CHAMPION][index]
        if ours != theirs:
            outcome = _outcome(predictions.labels[index], ours, theirs)
            found[outcome] = found.get(outcome, 0) + 1
    return found


def _outcome(label: str, model: str | None, champion: str | None) -> str:
    return {(True, False): MENDED, (False, True): BROKEN, (False, False): BOTH_WRONG}[model == label, champion == label]


def total_variation(
    first: Sequence[float], first_labels: Sequence[str], second: Sequence[float], second_labels: Sequence[str]
) -> float:
    """Half the sum of |p - q| over the classes of either; 0 for equal distributions, 1 for ones without a class in common."""
    p, q = dict(zip(first_labels, first, strict=True)), dict(zip(second_labels, second, strict=True))
    return math.fsum(abs(p.get(label, 0.0) - q.get(label, 0.0)) for label in {**p, **q}) / 2


def _row(predictions: Predictions, index: int, distance: float, given: object) -> Disagreement:
    label = predictions.labels[index]
    model, champion = (
        Answer(str(predictions.predicted[name][index]), predictions.probability[name][index]) for name in (MODEL, CHAMPION)
    )
    outcome = _outcome(label, model.label, champion.label)
    return Disagreement(predictions.ids[index], label, model, champion, distance, outcome, *shown(given))
