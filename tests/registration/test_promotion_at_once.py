"""Real processes: many at once, and each killed at a step."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rootstock.journal import read_journal
from rootstock.params import RegistrationParams
from rootstock.registration import steps
from rootstock.registration.by_hand import promote
from rootstock.registration.chain import check_chain
from rootstock.registration.mlflow_registry import find_aliases, tracking

pytestmark = pytest.mark.slow

Add = Callable[..., str]
MODEL = "tiny-model"
SCRIPT = Path(__file__).with_name("forked_commands.py")
BEFORE = {"champion": "2", "previous": "1"}
AFTER = {"promote": {"champion": "3", "previous": "2"}, "rollback": {"champion": "1"}}
#: Steps after which the move is decided: the next command completes it.
DECIDED = steps.STEPS[steps.STEPS.index("intended") :]


def run_script(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_killed_at_any_step_the_next_command_leaves_a_consistent_state(
    add_version: Add, registration: RegistrationParams, workspace: str, loads: None
) -> None:
    for _ in range(3):
        add_version()
    for number in ("1", "2"):
        promote(number, registration=registration, workspace=workspace, reason="r")
    told = run_script("kill", workspace)
    assert len(told) == len(steps.STEPS) * len(AFTER)
    for name, said in told.items():
        command, _, step = name.partition("-")
        found, end = said["found"], said["in_the_end"]
        assert said["code"] == -9, name
        assert found["aliases"] == found["intended"] == (AFTER[command] if step in DECIDED else BEFORE), name
        assert (found["settled"], found["faults"]) == (True, []), name
        assert said["seconds"] < 30, f"{name}: the lease of a dead process is not waited for"
        assert end["aliases"] == end["intended"] == AFTER[command], name
        assert end["kinds"].count("settled") == 3, f"{name}: one move, however often it was tried"
        assert "outside_move" not in end["kinds"], name
        assert said["again"] == ("InputError" if command == "rollback" and step in DECIDED else None), name


def test_of_fifty_promotions_at_once_one_wins_and_the_others_are_told_which(
    add_version: Add, registration: RegistrationParams, workspace: str, loads: None
) -> None:
    for _ in range(51):
        add_version()
    promote("1", registration=registration, workspace=workspace, reason="r")
    told = run_script("race", workspace, "50")
    (winner,) = [str(number + 2) for number, said in enumerate(told) if said is None]
    refused = [said for said in told if said is not None]
    assert len(refused) == 49
    assert all(f"expected version 1 to be champion, found version {winner} to be champion" in said for said in refused)
    assert find_aliases(tracking(workspace), MODEL) == {"champion": winner, "previous": "1"}
    kinds = [entry.kind for entry in read_journal(workspace)]
    assert kinds == ["promotion", "settled", "promotion", "settled"]
    assert read_journal(workspace)[2].facts["version"] == winner
    assert check_chain(MODEL, workspace=workspace) == ()


def test_promotions_that_insist_all_win_once_in_the_order_that_the_journal_tells(
    add_version: Add, registration: RegistrationParams, workspace: str, loads: None
) -> None:
    for _ in range(9):
        add_version()
    promote("1", registration=registration, workspace=workspace, reason="r")
    told = run_script("queue", workspace, "8")
    assert len(told) == 8
    promotions = [entry for entry in read_journal(workspace) if entry.kind == "promotion"]
    assert sorted(entry.facts["version"] for entry in promotions) == [str(number) for number in range(1, 10)]
    for before, entry in itertools.pairwise(promotions):
        assert entry.facts["expected"] == before.facts["version"]
        assert entry.facts["before"] == before.facts["aliases"]
    assert find_aliases(tracking(workspace), MODEL) == {
        "champion": promotions[-1].facts["version"], "previous": promotions[-2].facts["version"],
    }  # fmt: skip
    assert check_chain(MODEL, workspace=workspace) == ()
