"""The gates about the model itself: calibration, robustness, budgets, parity, data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from evaluation_worlds import report_of, table, world
from numpy.typing import NDArray
from pydantic import ValidationError
from rootstock.errors import DataError
from rootstock.evaluation.budgets import Budgets
from rootstock.evaluation.calibration_limit import Calibration
from rootstock.evaluation.data_checks import Data
from rootstock.evaluation.measures import measure_models
from rootstock.evaluation.parity import Parity
from rootstock.evaluation.reloading import median
from rootstock.evaluation.robustness import Robustness
from rootstock.part import Gate, Sample
from rootstock.records import Cost, DataFacts, Detectable, EvalReport, GateResult, Measure, Reloading

Report = Callable[..., EvalReport]
LABELS = ("a", "b", "c", "d")


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A report on a table of rows, with other fields as asked for."""

    def make(predictions: pd.DataFrame | None = None, **changed: Any) -> EvalReport:
        rows = table(np.arange(60) % 4, {"model": np.ones(60, dtype=bool)}) if predictions is None else predictions
        return report_of(rows, folder=tmp_path).model_copy(update=changed)

    return make


def ask(gate: Gate, report: EvalReport, rows: pd.DataFrame | None = None) -> GateResult:
    rows = pd.read_parquet(report.predictions.path) if rows is None else rows
    before = rows.copy(deep=True)
    found = gate.decide(report, rows, level=0.001)
    pd.testing.assert_frame_equal(rows, before)
    assert "\n" not in found.reason
    return found


# ---- calibration


def measured(value: float, low: float, high: float, *, n: int = 200) -> Measure:
    return Measure(value=value, low=low, high=high, n=n, unit="share", higher_is_better=False)


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        (measured(0.04, 0.0, 0.08), "pass", "is at most 0.1"),
        (measured(0.2, 0.15, 0.25), "fail", "is above 0.1: stated probabilities are not to be relied on"),
        (measured(0.08, 0.05, 0.12), "inconclusive", "about 600 more labelled rows to test on would settle it"),
        (measured(0.01, 0.0, 0.02, n=20), "inconclusive", "20 tested rows are too few to tell; about 10 more"),
    ],
)
def test_calibration_passes_fails_or_asks_for_rows(report: Report, found: Measure, verdict: str, said: str) -> None:
    gate = Calibration(calibration_error=0.1, brier=None)
    answer = ask(gate, report(measures={"calibration_error": found}))
    assert answer.verdict == verdict
    assert said in answer.reason


def test_one_limit_that_is_broken_is_enough_to_fail(report: Report) -> None:
    gate = Calibration(calibration_error=0.1, brier=0.3)
    measures = {"calibration_error": measured(0.04, 0.0, 0.08), "brier": measured(0.5, 0.4, 0.6)}
    answer = ask(gate, report(measures=measures))
    assert answer.verdict == "fail"
    assert answer.reason.startswith("brier 0.500")


def test_calibration_without_limits_claims_nothing(report: Report) -> None:
    answer = ask(Calibration(calibration_error=None, brier=None), report())
    assert (answer.verdict, answer.reason) == ("pass", "the params set no limit")


def test_a_sharp_model_fails_where_a_calibrated_one_passes(report: Report) -> None:
    gate = Calibration(calibration_error=0.06, brier=None)
    verdicts = {}
    for sharpness in (2.0, 6.0):
        answers = world(np.random.default_rng(1), 1000, skill=2.0, sharpness=sharpness)
        measures = measure_models({"m": answers}, confidence=0.95, draws=300, bins=10, seed=0)["m"]
        verdicts[sharpness] = ask(gate, report(measures=measures)).verdict
    assert verdicts == {2.0: "pass", 6.0: "fail"}


def test_a_report_without_the_measure_is_an_error(report: Report) -> None:
    with pytest.raises(DataError, match="gate calibration: expected the measure brier, found none"):
        ask(Calibration(calibration_error=None, brier=0.5), report(measures={}))


# ---- robustness


def perturbed(rows: int, *, lost: Mapping[str, int], clean: float = 0.9) -> pd.DataFrame:
    """The model right on a share of the rows, and wrong on so many more under each perturbation."""
    right = np.arange(rows) < clean * rows
    return under(right, {name: right & (np.arange(rows) >= count) for name, count in lost.items()})


def under(right: NDArray[np.bool_], masks: Mapping[str, NDArray[np.bool_]], *, changed: int | None = None) -> pd.DataFrame:
    """The model right on some rows, and on others under each perturbation, which changed the first so many of them, None all."""
    rows = table(np.arange(len(right)) % 4, {"model": right} | {f"model~{name}": mask for name, mask in masks.items()})
    is_changed = np.arange(len(right)) < (len(right) if changed is None else changed)
    return rows.assign(**{f"changed:model~{name}": is_changed for name in masks})


def test_a_small_drop_passes_and_a_large_one_fails_naming_the_perturbation(report: Report) -> None:
    gate = Robustness(at_most={"typos": 0.1, "blanks": 0.1}, alpha=0.05)
    small, large = perturbed(300, lost={"typos": 6, "blanks": 0}), perturbed(300, lost={"typos": 90, "blanks": 0})
    assert ask(gate, report(small), small).verdict == "pass"
    answer = ask(gate, report(large), large)
    assert answer.verdict == "fail"
    assert answer.reason.startswith("typos costs 0.300")
    assert "more than 0.1" in answer.reason


def test_a_drop_near_the_limit_is_inconclusive_and_says_how_many_rows_would_settle_it(report: Report) -> None:
    rows = perturbed(100, lost={"typos": 8})
    answer = ask(Robustness(at_most={"typos": 0.1}, alpha=0.05), report(rows), rows)
    assert answer.verdict == "inconclusive"
    assert "more labelled rows to test on would settle it" in answer.reason


def test_three_rows_are_inconclusive_whatever_they_say(report: Report) -> None:
    rows = perturbed(3, lost={"typos": 0}, clean=1.0)
    answer = ask(Robustness(at_most={"typos": 0.9}, alpha=0.05), report(rows), rows)
    assert answer.verdict == "inconclusive"
    assert "3 tested rows are too few" in answer.reason


@pytest.mark.parametrize(("changed", "verdict"), [(0, "inconclusive"), (29, "inconclusive"), (30, "inconclusive"), (31, "pass")])
def test_a_perturbation_that_changed_no_more_rows_than_may_drop_is_no_test(report: Report, changed: int, verdict: str) -> None:
    right = np.ones(300, dtype=bool)
    rows = under(right, {"blanks": right}, changed=changed)
    answer = ask(Robustness(at_most={"blanks": 0.1}, alpha=0.05), report(rows), rows)
    assert answer.verdict == verdict
    assert (f"blanks changed {changed} of 300 rows" in answer.reason) == (verdict == "inconclusive")


def test_a_drop_on_the_few_rows_that_were_changed_fails_all_the_same(report: Report) -> None:
    right = np.ones(300, dtype=bool)
    rows = under(right, {"blanks": np.arange(300) >= 25}, changed=25)
    assert ask(Robustness(at_most={"blanks": 0.02}, alpha=0.05), report(rows), rows).verdict == "fail"


def test_a_table_that_does_not_say_which_rows_were_changed_is_an_error(report: Report) -> None:
    rows = perturbed(60, lost={"typos": 0}).drop(columns="changed:model~typos")
    with pytest.raises(DataError, match="expected the column 'changed:model~typos', found none; run the evaluate stage again"):
        ask(Robustness(at_most={"typos": 0.1}, alpha=0.05), report(rows), rows)


def test_a_perturbation_that_was_not_asked_is_an_error_with_the_nearest(report: Report) -> None:
    rows = perturbed(60, lost={"typos": 0})
    with pytest.raises(
        DataError, match=r"gate robustness: at_most: unknown perturbation 'typo'; known: typos; did you mean 'typos'"
    ):
        ask(Robustness(at_most={"typo": 0.1}, alpha=0.05), report(rows), rows)


@pytest.mark.parametrize("at_most", [{}, {"typos": None}])
def test_no_limit_claims_nothing(report: Report, at_most: dict[str, float | None]) -> None:
    assert ask(Robustness(at_most=at_most, alpha=0.05), report()).reason == "the params set no limit"


def test_the_rows_it_needs_fall_with_the_drop_allowed_and_rise_with_the_perturbations() -> None:
    sample = Sample(rows=500, class_rows={}, slice_rows={}, accuracy=0.8, discordance=0.05)

    def asked(limits: dict[str, float | None]) -> Detectable:
        return Robustness(at_most=limits, alpha=0.05).detectable(sample, level=0.001, wanted=None)[0]

    needed = [asked(limits).rows_needed for limits in ({"a": 0.1}, {"a": 0.05}, {"a": 0.05, "b": 0.05})]
    assert all(rows is not None for rows in needed)
    assert needed == sorted(needed, key=lambda rows: rows or 0)
    assert 0 < asked({"a": 0.1}).smallest < 0.1
    assert Robustness(at_most={"a": None}, alpha=0.05).detectable(sample, level=0.001, wanted=None) == ()


def test_a_model_that_loses_nothing_passes_at_the_rows_it_needs(report: Report) -> None:
    sample = Sample(rows=500, class_rows={}, slice_rows={}, accuracy=0.8, discordance=0.05)
    gate, base, draw = Robustness(at_most={"p": 0.05, "q": 0.05}, alpha=0.05), report(), np.random.default_rng(0)
    rows = gate.detectable(sample, level=0.001, wanted=None)[0].rows_needed
    assert rows is not None
    passed = 0
    for _ in range(100):
        right = draw.random(rows) < 0.5
        masks = {name: np.where(draw.random(rows) < 0.05, ~right, right) for name in gate.at_most}
        passed += gate.decide(base, under(right, masks), level=0.001).verdict == "pass"
    assert passed >= 72


@pytest.mark.parametrize(("drop", "most"), [(0.1, {"pass": 0.05}), (0.1, {"fail": 0.05})])
def test_a_drop_of_just_what_is_allowed_passes_or_fails_rarely(drop: float, most: dict[str, float], report: Report) -> None:
    """A hundred test sets under four perturbations: at the limit either error happens about alpha of the time, or less."""
    gate, draw = Robustness(at_most=dict.fromkeys("pqrs", drop), alpha=0.05), np.random.default_rng(4)
    found = []
    base = report()
    for _ in range(100):
        right = draw.random(400) < 0.8
        masks = {}
        for name in gate.at_most:
            flipped = draw.random(400)
            masks[name] = np.where(right, flipped >= 0.15, flipped < 0.1)
        found.append(gate.decide(base, under(right, masks), level=0.001).verdict)
    # The true drop is 0.8 * 0.15 - 0.2 * 0.1 = 0.1. A hundred sets tell a rate of 5% to within 4.3 points.
    for verdict, rate in most.items():
        assert found.count(verdict) / 100 <= rate + 0.043


# ---- budgets


def cost(**changed: Any) -> Reloading:
    time = Measure(value=20.0, low=19.0, high=22.0, n=60, unit="milliseconds", higher_is_better=False)
    known = {"milliseconds_per_row": time, "mib": 88.4, "peak_mib": 862.1, "machine": "a processor", "threads": 2}
    return Reloading(failure=None, cost=Cost.model_validate(known | changed))


@pytest.mark.parametrize(
    ("limits", "verdict", "said"),
    [
        ((25.0, 100.0, 900.0), "pass", "measured on a processor, 2 threads"),
        ((15.0, None, None), "fail", "20 ms a row (19 to 22, 60 rows), at most 15 allowed"),
        ((21.0, None, None), "inconclusive", "too near to tell; evaluate again on a machine that does nothing else"),
        ((None, 50.0, None), "fail", "88.4 MiB on disk, at most 50 allowed"),
        ((None, None, 500.0), "fail", "862.1 MiB of memory, at most 500 allowed"),
        ((21.0, 50.0, None), "fail", "88.4 MiB on disk"),
        ((None, None, None), "pass", "the params set no limit"),
    ],
)
def test_budgets(report: Report, limits: tuple[float | None, ...], verdict: str, said: str) -> None:
    gate = Budgets(milliseconds_per_row=limits[0], mib=limits[1], peak_mib=limits[2])
    answer = ask(gate, report(reloading=cost()))
    assert answer.verdict == verdict
    assert said in answer.reason


@pytest.mark.parametrize(
    ("reloading", "said"),
    [(None, "set evaluation.reload: true"), (Reloading(failure="no head", cost=None), "nothing was measured: no head")],
)
def test_a_budget_of_what_was_not_measured_is_inconclusive(report: Report, reloading: Reloading | None, said: str) -> None:
    answer = ask(Budgets(milliseconds_per_row=5.0, mib=None, peak_mib=None), report(reloading=reloading))
    assert answer.verdict == "inconclusive"
    assert said in answer.reason


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Budgets(milliseconds_per_row=0.0, mib=None, peak_mib=None)


def test_the_median_lies_between_order_statistics_that_cover_it() -> None:
    draw, covered = np.random.default_rng(0), 0
    for _ in range(400):
        found = median(draw.lognormal(size=60), confidence=0.95, unit="milliseconds")
        assert found.low <= found.value <= found.high
        covered += found.low <= 1.0 <= found.high
    assert 0.93 <= covered / 400 <= 0.99


# ---- parity


def answered(rows: int, *, seed: int = 0) -> pd.DataFrame:
    """The tested model's answers, and the same ones reloaded."""
    said = world(np.random.default_rng(seed), rows).probabilities
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(rows)], "label": "a"})
    for name in ("model", "reloaded"):
        frame[f"probabilities:{name}"] = list(said.astype(np.float32))
    return frame


def changed(frame: pd.DataFrame, change: Callable[[np.ndarray], np.ndarray], *, rows: slice = slice(None)) -> pd.DataFrame:
    said = np.vstack(frame["probabilities:reloaded"].tolist())
    said[rows] = change(said[rows])
    return frame.assign(**{"probabilities:reloaded": list(said)})


PARITY = Parity(labels=0.999, tolerance=1e-3)


@pytest.mark.parametrize(
    ("rows", "change", "where", "verdict", "said"),
    [
        (200, lambda p: p, slice(None), "pass", "the shipped model is the tested one"),
        (200, lambda p: p + 1e-5, slice(None), "pass", "largest difference of a probability"),
        (200, lambda p: p[:, ::-1], slice(None), "fail", "the shipped model is not the tested one: another label on"),
        (200, lambda p: p[:, ::-1], slice(7, 8), "fail", "for row r7"),
        (200, lambda p: 0.9 * p + 0.025, slice(None), "fail", "the same labels, but other probabilities on"),
        (3, lambda p: p, slice(None), "inconclusive", "3 rows may miss what is wrong with the shipped model; about 27 more"),
        (3, lambda p: p[:, ::-1], slice(None), "fail", "not the tested one"),
    ],
    ids=["same", "rounding", "labels swapped", "one row", "temperature", "few", "few and wrong"],
)  # fmt: skip
def test_parity(report: Report, rows: int, change: Any, where: slice, verdict: str, said: str) -> None:
    frame = changed(answered(rows), change, rows=where)
    answer = ask(PARITY, report(labels=LABELS, reloading=cost()), frame)
    assert answer.verdict == verdict
    assert said in answer.reason


def test_a_model_that_does_not_load_fails_with_what_it_said(report: Report) -> None:
    answer = ask(PARITY, report(reloading=Reloading(failure="head.safetensors is missing", cost=None)))
    assert (answer.verdict, answer.reason) == ("fail", "head.safetensors is missing")


def test_a_model_that_was_not_asked_is_inconclusive(report: Report) -> None:
    assert ask(PARITY, report()).verdict == "inconclusive"


def test_out_of_fold_the_model_that_is_kept_is_compared(report: Report) -> None:
    frame = answered(100).rename(columns={"probabilities:model": "probabilities:shipped"})
    frame["probabilities:model"] = answered(100, seed=1)["probabilities:model"]
    assert ask(PARITY, report(labels=LABELS, reloading=cost(), rows="out_of_fold"), frame).verdict == "pass"


def test_a_table_without_the_reloaded_answers_is_an_error(report: Report) -> None:
    frame = answered(40).drop(columns="probabilities:reloaded")
    with pytest.raises(DataError, match="gate parity: expected the column 'probabilities:reloaded', found none"):
        ask(PARITY, report(labels=LABELS, reloading=cost()), frame)


# ---- data

FACTS = DataFacts(
    validated=True, checks=6, failed_checks=(), contamination={"films": 5}, learned_rows=1, rows=200
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "verdict", "said"),
    [
        (
            {},
            "pass",
            "6 of 6 checks of the target passed; 5 rows of films dropped as contaminated; 1 of 200 test rows learned from",
        ),
        ({"failed_checks": ("leakage: 9 rows",)}, "fail", "the target failed leakage: 9 rows"),
        ({"validated": False}, "fail", "did not pass validation"),
        ({"contamination": {"films": None}}, "fail", "the test rows were not sought among the rows of films"),
        ({"learned_rows": 30}, "fail", "learned from 30 of 200 rows it was measured on, more than 2.0%"),
        ({"contamination": {}}, "pass", "6 of 6 checks"),
    ],
)
def test_data(report: Report, changed: dict[str, Any], verdict: str, said: str) -> None:
    answer = ask(Data(max_learned_share=0.02), report(data=FACTS.model_copy(update=changed)))
    assert answer.verdict == verdict
    assert said in answer.reason


def test_data_that_nobody_knows_is_inconclusive(report: Report) -> None:
    assert ask(Data(max_learned_share=0.02), report()).verdict == "inconclusive"
