"""Rows that are not independent: predicted by fits that share training rows (out of fold), or of groups that hang together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rootstock.evaluation.measures import Answers, brier, log_loss, macro_f1
from rootstock.evaluation.wilson import wilson_interval
from rootstock.groups import design_effect
from rootstock.records import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def design_effects(answers: Answers, groups: NDArray[np.int64] | None) -> dict[str, float]:
    """Measure -> design effect of what each of the n rows adds to it, by its group (n,); nothing where rows have none."""
    if groups is None or len(groups) < 2:
        return {}
    right = answers.correct.astype(float)
    return {
        "accuracy": design_effect(right, groups),
        "macro_f1": design_effect(macro_f1(answers).left_out(), groups),
        "log_loss": design_effect(log_loss(answers).columns[:, 0], groups),
        "brier": design_effect(brier(answers).columns[:, 0], groups),
        "calibration_error": design_effect(right - answers.stated, groups),
    }


def class_design_effects(answers: Answers, groups: NDArray[np.int64] | None, classes: int) -> list[dict[str, float]]:
    """The same for recall, precision and F1 of each of c classes."""
    if groups is None:
        return [{} for _ in range(classes)]

    def of(mask: NDArray[np.bool_]) -> float:
        return design_effect(answers.correct[mask].astype(float), groups[mask]) if mask.any() else 1.0

    found = []
    for index in range(classes):
        recall, precision = of(answers.truth == index), of(answers.predicted == index)
        found.append({"recall": recall, "precision": precision, "f1": max(recall, precision)})
    return found


def widened_measures(
    measures: Mapping[str, Measure], *, inflation: float, confidence: float, effects: Mapping[str, float] | None = None
) -> dict[str, Measure]:
    """Measures whose intervals are as wide as for ``n / inflation`` independent rows; as they are for an inflation of 1.

    ``effects`` are further inflations, of single measures. Deviations grow by the root of the inflation. Accuracy gets Wilson's
    interval anew, which has a width at 0 and 1 too.
    """
    more = effects or {}
    return {name: _widened(name, measure, inflation * more.get(name, 1.0), confidence) for name, measure in measures.items()}


def _widened(name: str, measure: Measure, inflation: float, confidence: float) -> Measure:
    if inflation == 1:
        return measure
    return _accuracy(measure, inflation, confidence) if name == "accuracy" else _stretched(measure, math.sqrt(inflation))


def _accuracy(measure: Measure, inflation: float, confidence: float) -> Measure:
    import numpy as np

    n = measure.n / inflation
    low, high = wilson_interval(np.array([measure.value * n]), np.array([n]), confidence=confidence)
    return measure.model_copy(update={"low": float(low[0]), "high": float(high[0])})


def _stretched(measure: Measure, factor: float) -> Measure:
    low = max(0.0, measure.value - factor * (measure.value - measure.low))
    high = measure.value + factor * (measure.high - measure.value)
    return measure.model_copy(update={"low": low, "high": min(1.0, high) if measure.unit == "share" else high})
