"""The chain of evidence of the small task: told, walked, and gone through again."""

from __future__ import annotations

import shutil

import pytest
from task_folder import TaskFolder

pytestmark = [pytest.mark.flow, pytest.mark.slow]


@pytest.fixture(scope="module")
def explained(task, again):
    return task.here("explain", "1")


@pytest.fixture(scope="module")
def reproduced(task, again):
    return task.answer("reproduce", "1")


def test_one_run_however_often_it_was_killed_is_one_decision(task, again):
    entries = task.here("history")["entries"]
    assert [entry["kind"] for entry in entries][:2] == ["decision", "promotion"]


def test_the_decision_rests_on_what_the_run_says_of_itself(explained, first):
    facts = explained["decision"]["facts"]
    assert facts["run_key"] == first["run_key"]
    assert facts["trigger"] == "by hand"
    assert facts["predictions"] == first["evaluation"]["predictions"]
    assert facts["training"]["model"] == first["training"]["model"]
    assert facts["report"] == first["report"]
    assert facts["params"] == first["params"]
    assert [result["gate"] for result in facts["gates"]] == [gate["name"] for gate in first["params"]["gates"]["panel"]]


def test_the_story_of_the_champion_is_found_by_its_alias(task, explained):
    promoted = [entry for entry in task.here("history")["entries"] if entry["kind"] in ("promotion", "rollback")]
    champion = promoted[-1]["facts"]["aliases"]["champion"]  # other tests of this folder may have put another one in place
    assert task.here("explain", "champion")["decision"] == task.here("explain", champion)["decision"]


def test_a_workspace_as_it_was_left_is_verified(task, again):
    assert task.here("verify")["faults"] == []


def test_the_version_is_made_again_with_identical_labels_on_every_test_row(reproduced, first):
    assert reproduced["identical"] is True
    assert reproduced["answers"]["rows"] == first["evaluation"]["measures"]["accuracy"]["n"]
    assert reproduced["answers"]["largest_shift"] == 0.0
    assert reproduced["verdict_again"] == reproduced["verdict_before"] == "pass"
    assert reproduced["environment"] == []


def test_what_was_needed_for_it_is_gone_again_and_the_journal_as_it_was(task, reproduced):
    assert list((task.workspace / "reproduce").iterdir()) == []
    assert task.here("verify")["faults"] == []


def test_a_model_card_lies_beside_the_report_and_with_the_run_in_mlflow(task, first):
    from huggingface_hub import ModelCard
    from rootstock.registration import mlflow_registry

    card = ModelCard.load(task.workspace / "runs" / first["run_key"][:16] / "model_card" / "README.md")
    accuracy = next(result for result in card.data.eval_results if result.metric_type == "accuracy")
    assert accuracy.metric_value == first["evaluation"]["measures"]["accuracy"]["value"]
    client = mlflow_registry.tracking(str(task.workspace))
    assert [file.path for file in client.list_artifacts(first["registration"]["run_id"], "model_card")] == ["model_card/README.md"]


def test_one_changed_byte_ends_verify_with_1_and_the_name_of_the_entry(task, again, tmp_path):
    other = TaskFolder(tmp_path / "copy")
    shutil.copytree(task.folder, other.folder)
    entry = other.workspace / "journal" / "000001.json"
    entry.chmod(0o644)
    entry.write_text(entry.read_text(encoding="utf-8").replace('"by hand"', '"by hamd"'), encoding="utf-8")
    done = other.call("verify", "--offline")
    assert done.returncode == 1
    assert "entry 1 was changed" in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
