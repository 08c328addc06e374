"""``rootstock run``, whole: what it answers, what it does not do twice, and what a kill does to it."""

from __future__ import annotations

import pytest
from rootstock.similarity.shared_scores import SHARED_UNITS

pytestmark = [pytest.mark.flow, pytest.mark.slow]

EARLY = ["prepare", "validate", "rank", "select", "tune", "finetune", "ladder"]


def versions(task):
    from rootstock.registration.versions import list_versions

    return [version.version for version in list_versions("harbour", workspace=str(task.workspace))]


def test_a_second_run_at_once_says_which_process_holds_the_task(killed):
    assert killed.second_caller.returncode == 2
    assert killed.second_caller.stdout == ""
    [line] = killed.second_caller.stderr.splitlines()
    assert line.startswith(f"error: task harbour: process {killed.holder} is already running it")


def test_a_killed_run_leaves_a_server_that_the_next_run_ends(killed, first, task):
    assert killed.orphans[0]
    assert killed.orphans[1]
    assert not set(killed.orphans[0]) & set(killed.orphans[1])
    assert not set(killed.orphans[1]) & set(task.processes())


def test_a_run_killed_twice_goes_on_with_every_finished_stage(first):
    assert [name for name in first["reused"] if name in EARLY] == EARLY
    assert "evaluate" not in first["reused"]


def test_a_run_killed_twice_registers_one_version(first, again, task):
    assert first["registration"]["version"] == "1"
    assert first["registration"]["alias"] == "champion"


def test_the_document_names_the_data_and_the_checks(first):
    assert first["data"]["revision"] == "harbour/v1"
    assert first["validation"]["passed"] is True
    assert first["data"]["prepared"]["target"]["labels"] == ["bread", "ship"]


def test_the_document_scores_every_candidate(first):
    candidates = {candidate["source"]: candidate for candidate in first["ranking"]["candidates"]}
    assert set(candidates) == {"backbone alone", "market", "letters", "from scratch"}
    metrics = {metric["name"] for metric in first["params"]["similarity"]["metrics"]}
    shown = metrics | set(SHARED_UNITS)
    assert all(set(candidate["scores"]) == shown for candidate in candidates.values())
    assert candidates["market"]["predicted_gain"]["low"] <= candidates["market"]["predicted_gain"]["value"]
    assert first["ranking"]["chosen"] in {None, "market", "letters"}


def test_the_document_says_what_was_settled_and_learned_from(first):
    assert first["selection"]["chosen"] in {None, "market", "letters"}
    assert first["source_tuning"]["source"] == first["selection"]["chosen"]


def test_a_run_that_transferred_is_an_outcome_for_the_next_and_no_other_is(first, task):
    from rootstock.registration.history import read_history

    kept = read_history(workspace=str(task.workspace), run_key="another", folder=task.folder).outcomes
    assert all(outcome.target == "harbour" for outcome in kept)
    assert first["training"]["source"] is None or kept[0].source == first["selection"]["chosen"]


def test_the_document_measures_with_intervals(first):
    accuracy = first["evaluation"]["measures"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert accuracy["n"] == first["data"]["prepared"]["target"]["splits"]["test"]["rows"] == 40
    assert {rung["name"] for rung in first["evaluation"]["baselines"]} == {
        "majority", "surface_logistic", "from_scratch", "linear_probe", "no_transfer",
    }  # fmt: skip


def test_the_document_holds_verdict_seconds_and_report(first, task):
    assert first["verdict"]["verdict"] == "pass"
    assert set(first["seconds"]) == {"resolve", "incumbent", "history", *EARLY, "evaluate", "looks", "decide", "register"}
    assert not first["report"].startswith("/")
    assert (task.folder / first["report"]).is_file()


def test_the_same_run_again_starts_no_stage(again, first):
    assert again["status"] == "unchanged"
    assert set(again["seconds"]) == {"resolve", "incumbent"}
    assert again["registration"] == first["registration"]


def test_a_plan_then_finds_everything_kept_and_costs_only_the_looking(planned):
    plan = planned["same"]
    assert plan["unchanged"] is True
    assert [step["stage"] for step in plan["steps"] if not step["cached"]] == ["resolve", "incumbent"]
    assert plan["cost"] == pytest.approx(plan["seconds"] / 1000, abs=1e-4)


def test_a_plan_of_another_seed_keeps_nothing_and_predicts_from_the_run_before(planned, task):
    plan = planned["other"]
    assert not any(step["cached"] for step in plan["steps"] if step["stage"] not in ("validate", "embed"))
    bases = {step["stage"]: step["basis"] for step in plan["steps"]}
    assert bases["measure"] == "1 earlier run"  # the stages before it were taken over from the runs that were killed
    assert not (task.workspace / "rankings").exists()


def test_the_champions_folder_needs_no_rootstock(served):
    assert served.by_load_py == served.recorded


def test_mlflow_serves_the_same_champion(served):
    assert served.by_mlflow == served.recorded


def test_a_lost_and_a_changed_file_cost_their_own_stages_only(mended, first):
    assert set(EARLY) - set(mended["reused"]) == {"ladder"}
    assert "evaluate" not in mended["reused"]
    assert mended["evaluation"]["measures"] == first["evaluation"]["measures"]


def test_a_mended_run_with_the_same_key_makes_no_second_version(mended):
    assert mended["registration"]["version"] == "1"


def test_a_value_that_only_the_last_stages_read_costs_no_training(other_gate):
    """By then there is a champion: what reads it (rank, and so tune; evaluate) runs again, the costly rest does not."""
    assert [name for name in other_gate["reused"] if name in EARLY] == ["prepare", "validate", "finetune", "ladder"]
    assert "decide" not in other_gate["reused"]


def test_another_key_makes_another_version(other_gate):
    assert other_gate["registration"]["version"] == "2"
    assert other_gate["registration"]["previous"] == "1"


def test_every_version_was_made_once(retrained, task):
    assert versions(task) == ["1", "2", "3"]
