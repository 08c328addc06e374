from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.monitoring.descriptor_drift import DescriptorDrift
from rootstock.part import Window

Draw = Callable[..., Window]


@pytest.fixture
def drift() -> DescriptorDrift:
    return DescriptorDrift(effect_floor=0.3)


def test_effect_of_a_normal_shift_is_the_shift_in_standard_deviations(draw_window: Draw, drift: DescriptorDrift) -> None:
    rng = np.random.default_rng(0)
    result = drift.compare(draw_window(rng, 20_000), draw_window(rng, 20_000, shift=0.5), seed=0)[0]
    assert result.view == "characters"
    assert result.effect == pytest.approx(0.5, abs=0.03)


def test_effect_does_not_depend_on_the_unit(draw_window: Draw, drift: DescriptorDrift) -> None:
    rng = np.random.default_rng(0)
    old, new = draw_window(rng, 80), draw_window(rng, 40, shift=1)
    scaled = [replace(w, descriptors=w.descriptors * 1000 + 7) for w in (old, new)]
    assert drift.compare(*scaled, seed=0)[0].effect == pytest.approx(drift.compare(old, new, seed=0)[0].effect)


def test_order_of_rows_is_of_no_account(draw_window: Draw, drift: DescriptorDrift) -> None:
    rng = np.random.default_rng(1)
    old, new = draw_window(rng, 80), draw_window(rng, 40)
    turned = replace(new, descriptors=new.descriptors.iloc[::-1])
    assert drift.compare(old, turned, seed=0) == drift.compare(old, new, seed=0)


def test_half_a_deviation_is_found_in_most_windows_at_one_in_a_thousand(draw_window: Draw, drift: DescriptorDrift) -> None:
    rng = np.random.default_rng(2)
    p_values = [drift.compare(draw_window(rng, 400), draw_window(rng, 120, 0.5), seed=0)[0].p_value for _ in range(40)]
    assert np.mean(np.array(p_values) < 1e-3) > 0.7


def test_inputs_are_left_as_they_were(draw_window: Draw, drift: DescriptorDrift) -> None:
    rng = np.random.default_rng(1)
    old, new = draw_window(rng, 30), draw_window(rng, 12)
    before = old.descriptors.copy(), new.descriptors.copy()
    drift.compare(old, new, seed=0)
    assert old.descriptors.equals(before[0])
    assert new.descriptors.equals(before[1])


def test_values_wholly_apart_have_a_finite_effect(draw_window: Draw, drift: DescriptorDrift) -> None:
    rng = np.random.default_rng(1)
    result = drift.compare(draw_window(rng, 10), draw_window(rng, 10, shift=100), seed=0)[0]
    assert np.isfinite(result.effect)
    assert result.p_value < 1e-3


def test_other_descriptors_are_refused(draw_window: Draw, drift: DescriptorDrift) -> None:
    old = draw_window(np.random.default_rng(0), 20)
    other = replace(old, descriptors=old.descriptors.rename(columns={"characters": "brightness"}))
    with pytest.raises(DataError, match=r"expected the reference's descriptors characters, .* found brightness"):
        drift.compare(old, other, seed=0)


def test_a_descriptor_that_is_not_finite_is_refused(draw_window: Draw, drift: DescriptorDrift) -> None:
    old = draw_window(np.random.default_rng(0), 20)
    bad = replace(old, descriptors=old.descriptors.assign(characters=np.nan))
    with pytest.raises(DataError, match="finite characters, found 20 of 20 window rows"):
        drift.compare(old, bad, seed=0)
