"""Wilson's interval against SciPy, and why accuracy gets it rather than the bootstrap's."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.evaluation.wilson import f1_interval, wilson_interval
from scipy.stats import binom, binomtest


@pytest.mark.parametrize(("right", "rows"), [(0, 3), (3, 3), (7, 10), (180, 200)])
def test_limits_are_those_of_scipy(right: int, rows: int) -> None:
    low, high = wilson_interval(np.array([right]), np.array([rows]), confidence=0.95)
    expected = binomtest(right, rows).proportion_ci(0.95, method="wilson")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_rows_leave_everything_open() -> None:
    low, high = wilson_interval(np.array([0]), np.array([0]), confidence=0.95)
    assert (low[0], high[0]) == (0.0, 1.0)


@pytest.mark.parametrize("rows", [30, 100, 400])
def test_wilson_covers_an_accuracy_better_than_the_bootstrap_does(rows: int) -> None:
    right, truths = np.arange(rows + 1), np.linspace(0.3, 0.99, 70)[:, None]
    weight = binom.pmf(right, rows, truths)
    # Resampling k right of n rows is drawing from Binomial(n, k/n): the percentile limits are exact quantiles.
    bootstrap = binom.ppf(0.025, rows, right / rows) / rows, binom.ppf(0.975, rows, right / rows) / rows
    coverage = {}
    for name, (low, high) in {
        "wilson": wilson_interval(right, np.full(rows + 1, rows), confidence=0.95),
        "bootstrap": bootstrap,
    }.items():
        coverage[name] = (weight * ((low <= truths) & (truths <= high))).sum(axis=1)
    wrong = {name: np.abs(found - 0.95).mean() for name, found in coverage.items()}
    assert wrong["wilson"] < wrong["bootstrap"]
    assert coverage["wilson"].min() > max(0.88, coverage["bootstrap"].min())


def test_f1_limits_enclose_the_f1_score() -> None:
    low, high = f1_interval(np.array([8]), np.array([4]), confidence=0.95)
    assert low[0] < 2 * 8 / (2 * 8 + 4) < high[0]
