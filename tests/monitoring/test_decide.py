from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from rootstock.errors import ParamsError
from rootstock.monitoring.decide import check_permutations, decide, detect, rows_to_label
from rootstock.params import DataParams, MonitoringParams
from rootstock.part import Window
from rootstock.records import Artifact, DriftReport, DriftResult, RetrainDecision

Draw = Callable[..., Window]
Make = Callable[..., MonitoringParams]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def drift_report(*, drifted: bool) -> DriftReport:
    result = DriftResult(
        test="descriptor_drift", view="words", statistic=1, p_value=0, effect=1, effect_floor=0, drifted=drifted, reason="."
    )
    page = Artifact(path="x", sha256="0")
    return DriftReport(
        model="docs",
        version="3",
        window="monday",
        rows=40,
        reference_rows=100,
        results=(result,),
        drifted=drifted,
        evidently_html=page,
        evidently_json=page,
        created="2026-03-01T12:00:00+00:00",
    )


@pytest.fixture
def decision(monitoring: Make, data_params: DataParams) -> Callable[..., RetrainDecision]:
    def make(
        report: DriftReport | None, newest: str = "docs/v1", last: datetime | None = None, now: datetime = NOW, **changes: object
    ) -> RetrainDecision:
        return decide(
            report,
            champion_revision="docs/v1",
            newest_revision=newest,
            last_retrain=last,
            classes=5,
            data=data_params,
            monitoring=monitoring(**changes),
            now=now,
        )

    return make


def test_without_drift_a_window_alarms_no_more_often_than_its_share_of_alpha(draw_window: Draw, monitoring: Make) -> None:
    rng, params, windows = np.random.default_rng(11), monitoring(), 250
    alarms = [
        any(result.drifted for result in detect(draw_window(rng, 100), draw_window(rng, 40), monitoring=params, seed=i))
        for i in range(windows)
    ]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / windows)


def test_a_year_of_weekly_windows_against_one_reference_stays_quiet(draw_window: Draw, monitoring: Make) -> None:
    rng, params = np.random.default_rng(12), monitoring(looks=52, permutations=5200)
    reference = draw_window(rng, 100)
    for week in range(12):
        assert not any(r.drifted for r in detect(reference, draw_window(rng, 40), monitoring=params, seed=week))


def test_half_a_deviation_everywhere_is_found_at_the_level_of_one_window_in_a_year(draw_window: Draw, monitoring: Make) -> None:
    rng, params = np.random.default_rng(13), monitoring(looks=52, permutations=5200, floor=0.05)
    found = [
        any(r.drifted for r in detect(draw_window(rng, 400), draw_window(rng, 120, shift=0.5), monitoring=params, seed=i))
        for i in range(8)
    ]
    assert np.mean(found) > 0.8


def test_a_difference_under_the_floor_is_no_drift_and_says_so(draw_window: Draw, monitoring: Make) -> None:
    rng = np.random.default_rng(1)
    results = detect(draw_window(rng, 100), draw_window(rng, 40, shift=3), monitoring=monitoring(floor=100), seed=0)
    characters = results[0]
    assert characters.p_value < 1e-6
    assert not characters.drifted
    assert characters.reason.startswith("no drift: median ")
    assert characters.reason.endswith("< 100)")


def test_every_reason_is_one_line(draw_window: Draw, monitoring: Make) -> None:
    rng = np.random.default_rng(1)
    results = detect(draw_window(rng, 100), draw_window(rng, 40), monitoring=monitoring(), seed=0)
    assert [(r.test, r.view) for r in results] == [
        ("descriptor_drift", "characters"),
        ("descriptor_drift", "digit_share"),
        ("prediction_drift", "predicted"),
        ("prediction_drift", "confidence"),
        ("embedding_drift", "embedding"),
    ]
    assert all("\n" not in r.reason and "p = " in r.reason for r in results)


def test_too_few_permutations_are_refused_with_the_number_needed(draw_window: Draw, monitoring: Make) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(ParamsError, match=r"monitoring.tests\[2\].permutations: expected at least 5199 .* found 5198"):
        detect(draw_window(rng, 20), draw_window(rng, 20), monitoring=monitoring(looks=52, permutations=5198), seed=0)
    check_permutations(monitoring(looks=52, permutations=5199), results=5)


def test_drift_with_new_data_retrains(decision: Callable[..., RetrainDecision]) -> None:
    found = decision(drift_report(drifted=True), newest="docs/v2", retrain_on_new_data=False)
    assert found.retrain
    assert found.new_data
    assert found.data_revision == "docs/v2"
    assert "drift found by descriptor_drift of words, and docs/v2 is newer than docs/v1" in found.reason
    assert found.cool_down_until == "2026-03-02T12:00:00+00:00"


def test_drift_without_new_data_asks_for_labels_instead(decision: Callable[..., RetrainDecision]) -> None:
    found = decision(drift_report(drifted=True))
    assert not found.retrain
    assert "retraining on the same data would not help; label about 120 rows of window monday" in found.reason


def test_rows_to_label_are_a_window_where_all_labels_are_used(monitoring: Make, data_params: DataParams) -> None:
    everything = data_params.model_copy(update={"labelled_rows_per_class": None})
    assert rows_to_label(everything, monitoring(), classes=5) == 40


def test_new_data_alone_retrains_when_asked_to(decision: Callable[..., RetrainDecision]) -> None:
    assert decision(drift_report(drifted=False), newest="docs/v2").retrain
    kept = decision(drift_report(drifted=False), newest="docs/v2", retrain_on_new_data=False)
    assert not kept.retrain
    assert "monitoring.retrain_on_new_data is false" in kept.reason


def test_nothing_new_keeps_the_champion(decision: Callable[..., RetrainDecision]) -> None:
    found = decision(drift_report(drifted=False))
    assert (found.retrain, found.new_data, found.cool_down_until) == (False, False, None)
    assert found.reason == "no drift, and no data newer than docs/v1"


def test_new_data_is_used_before_there_are_predictions_to_judge(decision: Callable[..., RetrainDecision]) -> None:
    assert decision(None, newest="docs/v2").retrain
    waiting = decision(None)
    assert not waiting.retrain
    assert waiting.window == "none"
    assert waiting.reason == "too few predictions to judge drift, and no data newer than docs/v1"
    unused = decision(None, newest="docs/v2", retrain_on_new_data=False)
    assert unused.reason.startswith("too few predictions to judge drift; docs/v2 is newer")


def test_cool_down_holds_a_retraining_back_until_it_ends(decision: Callable[..., RetrainDecision]) -> None:
    last = NOW - timedelta(hours=23, minutes=59)
    held = decision(drift_report(drifted=True), newest="docs/v2", last=last)
    assert not held.retrain
    assert held.cool_down_until == "2026-03-01T12:01:00+00:00"
    assert "wait until 2026-03-01T12:01:00+00:00" in held.reason
    assert decision(drift_report(drifted=True), newest="docs/v2", last=last, now=NOW + timedelta(minutes=1)).retrain
