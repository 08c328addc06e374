"""Drift of what the champion answers: how often each class, and how surely."""

from __future__ import annotations

from typing import Literal

from rootstock.errors import DataError
from rootstock.monitoring.two_sample import compare_counts, compare_values
from rootstock.part import DriftTest, Window
from rootstock.records import DriftResult


class PredictionDrift(DriftTest):
    """Predicted classes by a two-sample chi-square, the winning class's probability by a rank-sum and a Kolmogorov-Smirnov test.

    Both effects are shares of rows, 0..1: the total variation distance between the class frequencies, and the
    Kolmogorov-Smirnov distance (a lower bound of total variation) between the confidences.
    """

    name: Literal["prediction_drift"] = "prediction_drift"
    effect_floor: float

    def compare(self, reference: Window, current: Window, *, seed: int) -> tuple[DriftResult, ...]:
        """Two results, ``predicted`` and ``confidence``. Raises DataError if the two have other numbers of classes."""
        if reference.probabilities.shape[1] != current.probabilities.shape[1]:
            raise DataError(
                f"prediction_drift: expected probabilities of {reference.probabilities.shape[1]} classes as in the reference, "
                f"found {current.probabilities.shape[1]}; compare rows predicted by the same version"
            )
        return self._classes(reference, current), self._confidence(reference, current)

    def _classes(self, reference: Window, current: Window) -> DriftResult:
        import numpy as np

        classes = reference.probabilities.shape[1]
        old = np.bincount(reference.probabilities.argmax(axis=1), minlength=classes)
        new = np.bincount(current.probabilities.argmax(axis=1), minlength=classes)
        statistic, p_value, effect = compare_counts(old, new)
        return DriftResult(
            test=self.name,
            view="predicted",
            statistic=statistic,
            p_value=p_value,
            effect=effect,
            effect_floor=self.effect_floor,
            drifted=False,
            reason=f"{effect:.0%} of the predictions would have to change class to give the reference's class frequencies",
        )

    def _confidence(self, reference: Window, current: Window) -> DriftResult:
        found = compare_values(reference.probabilities.max(axis=1), current.probabilities.max(axis=1))
        return DriftResult(
            test=self.name,
            view="confidence",
            statistic=found.delta,
            p_value=found.p_value,
            effect=found.distance,
            effect_floor=self.effect_floor,
            drifted=False,
            reason=f"median probability of the predicted class {found.reference_median:.2f} -> {found.current_median:.2f}",
        )
