from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.monitoring.prediction_drift import PredictionDrift
from rootstock.part import Window

Draw = Callable[..., Window]


@pytest.fixture
def drift() -> PredictionDrift:
    return PredictionDrift(effect_floor=0.15)


def test_effect_is_the_total_variation_distance_of_the_predicted_classes(draw_window: Draw, drift: PredictionDrift) -> None:
    old = replace(draw_window(np.random.default_rng(0), 10), probabilities=np.eye(3)[[0] * 5 + [1] * 5])
    new = replace(draw_window(np.random.default_rng(0), 10), probabilities=np.eye(3)[[0] * 2 + [1] * 5 + [2] * 3])
    assert drift.compare(old, new, seed=0)[0].effect == pytest.approx(0.3)


def test_lost_confidence_is_found_though_the_classes_stay(draw_window: Draw, drift: PredictionDrift) -> None:
    rng = np.random.default_rng(0)
    classes = np.eye(3)[np.arange(60) % 3]
    sure = replace(draw_window(rng, 60), probabilities=classes * 0.9 + 0.1 / 3 + rng.random((60, 1)) * 0.001)
    unsure = replace(sure, probabilities=classes * 0.2 + 0.8 / 3)
    predicted, confidence = drift.compare(sure, unsure, seed=0)
    assert (predicted.view, predicted.effect) == ("predicted", 0.0)
    assert confidence.p_value < 1e-6
    assert confidence.effect == 1.0
    assert confidence.statistic == -1.0


def test_order_of_rows_is_of_no_account_and_inputs_stay(draw_window: Draw, drift: PredictionDrift) -> None:
    rng = np.random.default_rng(1)
    old, new = draw_window(rng, 80), draw_window(rng, 40, shift=0.3)
    before = new.probabilities.copy()
    turned = replace(new, probabilities=new.probabilities[::-1])
    assert drift.compare(old, turned, seed=0) == drift.compare(old, new, seed=0)
    assert np.array_equal(new.probabilities, before)


def test_ten_rows_each_give_p_values(draw_window: Draw, drift: PredictionDrift) -> None:
    rng = np.random.default_rng(1)
    assert all(0 <= r.p_value <= 1 for r in drift.compare(draw_window(rng, 10), draw_window(rng, 10), seed=0))


def test_another_number_of_classes_is_refused(draw_window: Draw, drift: PredictionDrift) -> None:
    old = draw_window(np.random.default_rng(0), 20)
    with pytest.raises(DataError, match="probabilities of 3 classes as in the reference, found 2"):
        drift.compare(old, replace(old, probabilities=old.probabilities[:, :2]), seed=0)
