"""A whole run whose training stages take two processes, beside the same run in one."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "flows"))

from task_folder import TIMEOUT, TaskFolder, make_task

pytestmark = [pytest.mark.flow, pytest.mark.slow]

TOGETHER = ("--set", "compute.finetuning.processes=2")
#: Of the sum's rounding: a row in doubt may get the other label.
AGREEING = 0.95
#: Processes draw masks of their own, and the sources of this task are near enough for that to decide between them.
NO_DROPOUT = ("similarity.halving.method.dropout=0", "finetuning.source.dropout=0", "finetuning.methods.1.dropout=0")
NO_DROPOUT_IN_BERT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
ALIKE = tuple(part for each in (*NO_DROPOUT, "finetuning.precision=float32") for part in ("--set", each))


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TaskFolder:
    made = make_task(tmp_path_factory.mktemp("processes"))
    config = made.folder / "backbone" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | NO_DROPOUT_IN_BERT))
    return made


@pytest.fixture(scope="module")
def together(task: TaskFolder) -> dict[str, Any]:
    document: dict[str, Any] = task.answer("run", *ALIKE, *TOGETHER)
    return document


@pytest.fixture(scope="module")
def alone(task: TaskFolder) -> dict[str, Any]:
    document: dict[str, Any] = task.answer("run", *ALIKE, "--set", "workspace=alone")
    return document


def test_the_run_ends_as_in_one_process(together, alone):
    for name in ("status", "run_key"):
        assert together[name] == alone[name]
    for name in ("method", "source", "trainable_parameters"):
        assert together["training"][name] == alone["training"][name]


def test_the_models_agree_on_nearly_all_test_rows(together, alone, task):
    said = [
        pd.read_parquet(task.folder / document["evaluation"]["predictions"]["path"]).set_index("id")["predicted:model"]
        for document in (together, alone)
    ]
    assert (said[0] == said[1]).mean() >= AGREEING


def test_the_record_tells_of_the_processes_where_training_was_shared(together, alone):
    shared = together["training"]["method"] != "linear_probe"
    assert any("trained by 2 processes" in note for note in together["training"]["notes"]) == shared
    assert alone["training"]["notes"] == []


def test_nothing_is_left_of_the_processes(together, task):
    assert task.processes() == []
    assert list((task.workspace / "processes").glob("*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_run_that_ends_while_they_train_leaves_none(together, task, number):
    """But for the embedded server of a killed run, which the next one ends."""
    import psutil

    process = task.start("run", *TOGETHER, "--set", f"seed={20 + number}", "--set", "finetuning.source.epochs=20000")
    task.wait_for_stage(process, "tune")
    task.wait_until(lambda: any(is_member(pid) for pid in task.processes()), process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 130
        assert [line for line in said.splitlines() if line.startswith("error: ")] == [
            "error: interrupted; the same command goes on where it stopped"
        ]
        assert "Traceback" not in said
    else:
        task.kill(process)
    found = [psutil.Process(pid) for pid in task.processes() if is_member(pid)]
    assert psutil.wait_procs(found, timeout=10)[1] == []


def is_member(pid: int) -> bool:
    """Whether it is one of the processes that train, or their launcher."""
    import psutil

    try:
        return "rootstock_flows.member" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def test_what_two_processes_made_is_not_made_again_by_one(together, task):
    again = task.answer("run", *ALIKE, "--force")
    assert {"select", "tune", "finetune", "ladder"} <= set(again["reused"])
