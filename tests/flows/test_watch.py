"""What counts as a retraining of the model that is watched."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rootstock.files import write_text
from rootstock.params import Params, load_params
from rootstock.records import RECORD_FILE
from rootstock_flows import retrain
from rootstock_flows.document import RUN_FILE
from rootstock_flows.monitor import RETRAINING, last_retrain, look_folder, was_tried

NOW = datetime(2026, 3, 2, 5, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def params(tmp_path: Path) -> Params:
    return load_params(Path(__file__).resolve().parents[2] / "params.yaml").model_copy(update={"workspace": str(tmp_path)})


def of_model(params: Params, model: str) -> Params:
    """The same workspace, another task."""
    return params.model_copy(update={"registration": params.registration.model_copy(update={"model": model})})


def call(params: Params, monkeypatch: pytest.MonkeyPatch, ended: str | None, now: datetime = NOW) -> None:
    """The flow, with a watch that decides to retrain and a main job that ends so, or that is cut short."""

    def train(_params: dict[str, Any], **_: Any) -> dict[str, Any]:
        if ended is None:
            raise KeyboardInterrupt
        return {"status": ended, "run_key": "a" * 64}

    seen = {"drift": None, "decision": {"retrain": True, "reason": "new rows"}}
    monkeypatch.setattr(retrain, "monitor", lambda *_, **__: seen)
    monkeypatch.setattr(retrain, "train", train)
    retrain.retrain.fn(params.model_dump(mode="json"), None, now.isoformat())


def write_run(params: Params, revision: str) -> None:
    folder = Path(params.workspace) / "runs" / "0123456789abcdef"
    folder.mkdir(parents=True)
    document = {"data": {"revision": revision}, "params": params.model_dump(mode="json")}
    (folder / RUN_FILE).write_text(json.dumps(document), encoding="utf-8")


def test_a_retraining_that_was_cut_short_begins_no_cool_down(params, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        call(params, monkeypatch, None)
    assert last_retrain(params, now=LATER) is None


@pytest.mark.parametrize("ended", ["promoted", "refused", "invalid data"])
def test_a_retraining_that_came_to_its_end_begins_the_cool_down_whatever_it_ended_in(ended, params, monkeypatch):
    call(params, monkeypatch, ended)
    assert last_retrain(params, now=LATER) == NOW


def test_a_run_that_found_nothing_changed_is_no_retraining(params, monkeypatch):
    call(params, monkeypatch, "unchanged")
    assert last_retrain(params, now=LATER) is None


def test_the_newest_retraining_counts(params, monkeypatch):
    for days in (7, 0):
        call(params, monkeypatch, "promoted", NOW + timedelta(days=days))
    assert last_retrain(params, now=LATER) == NOW + timedelta(days=7)


def test_a_decision_that_nobody_carried_out_begins_no_cool_down(params):
    from rootstock.records import RetrainDecision

    decided = RetrainDecision(retrain=True, reason="r", window="w", data_revision="d/v2", new_data=True, cool_down_until=None)
    decided.save(look_folder(params, None, NOW) / "decision")
    assert last_retrain(params, now=LATER) is None


def test_a_retraining_of_another_model_begins_no_cool_down(params, monkeypatch):
    call(of_model(params, "another"), monkeypatch, "promoted")
    assert last_retrain(params, now=LATER) is None


def test_a_revision_that_another_model_was_trained_on_was_not_tried(params):
    write_run(of_model(params, "another"), "docs/v2")
    assert not was_tried(params, "docs/v2")


def test_a_revision_that_a_run_of_the_model_came_to_its_end_on_was_tried(params):
    write_run(params, "docs/v2")
    assert was_tried(params, "docs/v2")


def test_a_retraining_whose_mark_a_full_disk_left_half_written_does_not_end_the_watch(params, monkeypatch):
    call(params, monkeypatch, "promoted")
    (look_folder(params, None, NOW + timedelta(days=7)) / RETRAINING).mkdir(parents=True)
    assert last_retrain(params, now=LATER) == NOW


def test_a_mark_of_another_version_that_says_no_time_does_not_end_the_watch(params, monkeypatch):
    call(params, monkeypatch, "promoted")
    mark = look_folder(params, None, NOW + timedelta(days=7)) / RETRAINING / RECORD_FILE
    write_text(mark, '{"run_key": "a"}')
    assert last_retrain(params, now=LATER) == NOW


def test_a_retraining_that_a_wrong_clock_put_into_the_future_does_not_hold_up_the_next(params, monkeypatch):
    call(params, monkeypatch, "promoted")
    call(params, monkeypatch, "promoted", NOW + timedelta(days=3650))
    assert last_retrain(params, now=LATER) == NOW


def test_the_document_of_a_run_of_another_version_says_nothing_of_what_was_tried(params):
    write_run(params, "docs/v2")
    write_text(Path(params.workspace) / "runs" / "fedcba9876543210" / RUN_FILE, '{"data": {"revision": "docs/v3"}}')
    assert was_tried(params, "docs/v2")
    assert not was_tried(params, "docs/v3")
