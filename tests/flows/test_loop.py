"""The loop after the first champion: predict, watch, retrain, move back."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]


def test_prediction_writes_a_row_for_each_row(predicted, task):
    import pandas as pd

    given, written = pd.read_csv(task.folder / "quiet.csv"), pd.read_csv(task.folder / "quiet-out.csv")
    assert predicted["quiet"]["version"] == "2"
    assert list(written["input"]) == list(given["text"])
    assert set(written.columns) == {"id", "input", "predicted", "probability:bread", "probability:ship"}
    assert written.filter(like="probability:").sum(axis=1).round(6).eq(1).all()


def test_a_quiet_batch_is_no_drift_and_no_reason_to_retrain(watched):
    assert watched["drift"]["window"] == "quiet"
    assert watched["drift"]["drifted"] is False
    assert watched["decision"]["retrain"] is False
    assert watched.get("run") is None


def test_a_shifted_window_is_drift(retrained):
    assert retrained["drift"]["drifted"] is True
    assert retrained["decision"]["retrain"] is True
    assert retrained["decision"]["new_data"] is True


def test_retraining_takes_the_newest_revision(retrained):
    assert retrained["run"]["data"]["revision"] == "harbour/v2"


def test_retraining_ranks_the_champion_beside_the_sources(retrained):
    champion = next(c for c in retrained["run"]["ranking"]["candidates"] if c["source"] == "champion")
    assert champion["excluded"] is None
    assert champion["predicted_gain"] is not None


def test_retraining_scores_the_champion_on_the_same_rows(retrained):
    evaluation = retrained["run"]["evaluation"]
    assert evaluation["champion"]["measures"]["accuracy"]["n"] == evaluation["measures"]["accuracy"]["n"]


def test_rolling_back_and_promoting_move_the_champion(moved, retrained):
    assert retrained["run"]["registration"]["alias"] == "champion"
    assert (moved[0]["before"], moved[0]["champion"]) == ("3", "2")
    assert (moved[1]["before"], moved[1]["champion"]) == ("2", "1")


def test_nothing_is_left_running(moved, task):
    assert task.processes() == []
