"""Drift of what inputs look like: length, share of digits, brightness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rootstock.errors import DataError
from rootstock.monitoring.two_sample import compare_values
from rootstock.part import DriftTest, Window
from rootstock.records import DriftResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DescriptorDrift(DriftTest):
    """Each descriptor's distribution, by a rank-sum and a Kolmogorov-Smirnov test.

    The effect is in standard deviations: the shift of a normal variable that opens the same Kolmogorov-Smirnov distance D,
    2 * Phi^-1((1 + D) / 2). It does not depend on the descriptor's scale, and sees spread as well as shift.
    """

    name: Literal["descriptor_drift"] = "descriptor_drift"
    effect_floor: float

    def compare(self, reference: Window, current: Window, *, seed: int) -> tuple[DriftResult, ...]:
        """One result a descriptor. Raises DataError if the two windows have other descriptors, or one is not finite."""
        if list(reference.descriptors.columns) != list(current.descriptors.columns):
            raise DataError(
                f"descriptor_drift: expected the reference's descriptors {', '.join(reference.descriptors.columns)}, found "
                f"{', '.join(current.descriptors.columns)}; build the reference again"
            )
        return tuple(self._column(reference, current, str(column)) for column in reference.descriptors.columns)

    def _column(self, reference: Window, current: Window, column: str) -> DriftResult:
        old, new = _finite(reference, column, "reference"), _finite(current, column, "window")
        found = compare_values(old, new)
        effect = _in_deviations(found.distance, len(old) + len(new))
        return DriftResult(
            test=self.name,
            view=column,
            statistic=found.distance,
            p_value=found.p_value,
            effect=effect,
            effect_floor=self.effect_floor,
            drifted=False,
            reason=f"median {found.reference_median:.4g} -> {found.current_median:.4g}, {effect:.2f} standard deviations apart",
        )


def _in_deviations(distance: float, rows: int) -> float:
    from scipy import stats

    return float(2 * stats.norm.ppf((1 + min(distance, 1 - 1 / rows)) / 2))


def _finite(window: Window, column: str, which: str) -> NDArray[np.float64]:
    import numpy as np

    values = window.descriptors[column].to_numpy(dtype=np.float64)
    if bad := int((~np.isfinite(values)).sum()):
        raise DataError(f"descriptor_drift: expected finite {column}, found {bad} of {len(values)} {which} rows without; mend them")
    return values
