"""Rows predicted out of fold are not independent: the fits behind them share training rows."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rootstock.evaluation.wilson import wilson_interval
from rootstock.records import Measure


def widened_measures(measures: Mapping[str, Measure], *, inflation: float, confidence: float) -> dict[str, Measure]:
    """Measures whose intervals are as wide as for ``n / inflation`` independent rows; as they are for an inflation of 1.

    Deviations grow by the root of the inflation. Accuracy gets Wilson's interval anew, which has a width at 0 and 1 too.
    """
    if inflation == 1:
        return dict(measures)
    return {
        name: _accuracy(measure, inflation, confidence) if name == "accuracy" else _stretched(measure, math.sqrt(inflation))
        for name, measure in measures.items()
    }


def _accuracy(measure: Measure, inflation: float, confidence: float) -> Measure:
    import numpy as np

    n = measure.n / inflation
    low, high = wilson_interval(np.array([measure.value * n]), np.array([n]), confidence=confidence)
    return measure.model_copy(update={"low": float(low[0]), "high": float(high[0])})


def _stretched(measure: Measure, factor: float) -> Measure:
    low = max(0.0, measure.value - factor * (measure.value - measure.low))
    high = measure.value + factor * (measure.high - measure.value)
    return measure.model_copy(update={"low": low, "high": min(1.0, high) if measure.unit == "share" else high})
