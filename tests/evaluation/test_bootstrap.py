"""The bootstrap: bad input, invariance and memory chunks."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from rootstock.evaluation import bootstrap
from rootstock.evaluation.bootstrap import Statistic, bootstrap_intervals
from rootstock.evaluation.measures import Answers, macro_f1


def mean_of(values: list[float]) -> Statistic:
    return Statistic(np.array(values)[:, None], lambda totals, rows: totals[:, 0] / rows)


def test_the_limits_do_not_depend_on_how_the_draws_are_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"mean": mean_of(list(np.random.default_rng(0).normal(size=40)))}
    whole = bootstrap_intervals(values, confidence=0.95, draws=300, seed=1)
    monkeypatch.setattr(bootstrap, "CHUNK_COUNTS", 40 * 7)
    chunked = bootstrap_intervals(values, confidence=0.95, draws=300, seed=1)["mean"]
    assert (chunked.low, chunked.high) == pytest.approx((whole["mean"].low, whole["mean"].high))


def test_scaling_the_values_scales_the_interval() -> None:
    values = np.random.default_rng(0).exponential(size=60)
    one = bootstrap_intervals({"m": mean_of(list(values))}, confidence=0.9, draws=400, seed=2)["m"]
    ten = bootstrap_intervals({"m": mean_of(list(10 * values))}, confidence=0.9, draws=400, seed=2)["m"]
    assert (ten.low, ten.value, ten.high) == pytest.approx((10 * one.low, 10 * one.value, 10 * one.high))


def test_equal_values_have_no_spread() -> None:
    found = bootstrap_intervals({"m": mean_of([2.0] * 5)}, confidence=0.95, draws=100, seed=0)["m"]
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


def test_statistics_over_different_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"the same rows, at least one, found \[2, 3\] rows"):
        bootstrap_intervals({"a": mean_of([1, 2]), "b": mean_of([1, 2, 3])}, confidence=0.95, draws=100, seed=0)


def test_no_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_intervals({"a": mean_of([])}, confidence=0.95, draws=100, seed=0)


def test_macro_f1_takes_less_memory_than_a_table_of_its_rows_by_classes_when_classes_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, classes = 2_000, 500
    random = np.random.default_rng(0)
    answers = Answers(random.integers(0, classes, rows), random.dirichlet(np.ones(classes), rows))
    monkeypatch.setattr(bootstrap, "CHUNK_COUNTS", 20_000)
    tracemalloc.start()
    found = bootstrap_intervals({"f1": macro_f1(answers)}, confidence=0.9, draws=20, seed=0)["f1"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.low <= found.value <= found.high
    assert peak < 8 * rows * classes
