"""An alarm becomes an entry of the journal, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from rootstock.journal import read_journal
from rootstock.monitoring.alarm import record_alarm
from rootstock.records import Artifact, DriftReport, DriftResult, RetrainDecision

WORKSPACE = "w"


def report(*drifted: bool) -> DriftReport:
    results = tuple(
        DriftResult(
            test="t", view=f"view {n}", statistic=1.0, p_value=1e-6, effect=0.5, effect_floor=0.1, drifted=each, reason="so"
        )
        for n, each in enumerate(drifted)
    )
    page = Artifact(path="page.html", sha256="a" * 64)
    return DriftReport(
        model="m", version="4", window="week-4", rows=120, reference_rows=200, results=results, drifted=any(drifted),
        evidently_html=page, evidently_json=page, created="2026-01-01T00:00:00Z",
    )  # fmt: skip


def decided(*, retrain: bool, reason: str = "because") -> RetrainDecision:
    return RetrainDecision(
        retrain=retrain, reason=reason, window="week-4", data_revision="d/v1", new_data=retrain, cool_down_until=None
    )


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(found: DriftReport | None, decision: RetrainDecision):
    return record_alarm(found, decision, model="m", version="4", workspace=WORKSPACE)


def test_a_quiet_window_leaves_no_entry():
    assert record(report(False, False), decided(retrain=False)) is None
    assert record(None, decided(retrain=False)) is None
    assert read_journal(WORKSPACE) == ()


def test_an_alarm_names_window_version_and_only_what_drifted():
    record(report(True, False, True), decided(retrain=False, reason="no newer labels"))
    (entry,) = read_journal(WORKSPACE)
    assert entry.kind == "drift"
    assert [result["view"] for result in entry.facts["drifted"]] == ["view 0", "view 2"]
    kept = {"model": "m", "version": "4", "window": "week-4", "rows": 120, "retrain": False, "reason": "no newer labels"}
    assert kept.items() <= entry.facts.items()


def test_a_decision_to_retrain_without_drift_is_an_entry_too():
    record(None, decided(retrain=True, reason="d/v2 is newer"))
    (entry,) = read_journal(WORKSPACE)
    assert (entry.facts["drifted"], entry.facts["rows"], entry.facts["retrain"]) == ([], 0, True)


def test_looking_twice_at_a_window_is_one_alarm_until_the_decision_is_another():
    assert record(report(True), decided(retrain=False)) is not None
    assert record(report(True), decided(retrain=False)) is None
    assert record(report(True), decided(retrain=True)) is not None
    assert len(read_journal(WORKSPACE)) == 2
