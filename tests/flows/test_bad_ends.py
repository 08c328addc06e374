"""How a run ends that cannot go on: one line, the right exit code, nothing left running."""

from __future__ import annotations

import os
import signal

import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]


def errors(stderr):
    return [line for line in stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGTERM, False), (signal.SIGINT, True)], ids=["SIGTERM", "Ctrl-C"])
def test_a_stopped_run_ends_in_seconds_with_one_line(task, first, number, whole_group):
    process = task.start("run", "--set", f"seed={100 + number}")
    task.wait_for_stage(process, "validate")
    (os.killpg if whole_group else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=60)  # 3 to 8 on a quiet machine
    assert process.returncode == 130
    assert errors(err) == ["error: interrupted; the same command goes on where it stopped"]
    assert "Traceback" not in err
    assert task.processes() == []


def test_a_fault_inside_a_stage_is_one_line(task, first):
    done = task.call("run", "--set", "data.labels=[ship, plane]")
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = errors(done.stderr)
    assert "plane" in line
    assert "Traceback" not in done.stderr
    assert " | " not in done.stderr  # the shape of Prefect's log lines


def test_refused_data_end_with_exit_code_1_and_a_report(task, first):
    done = task.call("run", "--set", "validation.checks.0.rows=5000")
    assert done.returncode == 1
    [line] = errors(done.stderr)
    assert "5000" in line
    assert "the data was refused" in done.stdout
    assert (task.folder / line.rpartition("see ")[2]).is_file()
    assert "Created temporary directory" not in done.stderr
