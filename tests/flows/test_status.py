"""How a run says that it ended."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from rootstock.errors import Refusal
from rootstock.params import load_params
from rootstock.records import Registration, ValidationReport
from rootstock.registration import mlflow_registry
from rootstock_flows.cli import command_line
from rootstock_flows.commands.run import _text
from rootstock_flows.document import no_of, status_of
from rootstock_flows.steps import Run

PROMOTED = Registration(
    model="docs", version="2", alias="champion", run_id="r", uri="models:/docs/2", previous="1", reason="the gates said pass"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose version was promoted, in this call or in an earlier one."""
    params = load_params(Path(__file__).resolve().parents[2] / "params.yaml")
    made = Run(params.model_copy(update={"workspace": str(tmp_path)}))
    made.keep(PROMOTED, tmp_path)
    assert made.get(ValidationReport) is None
    monkeypatch.setattr(mlflow_registry, "tracking", lambda _: None)
    return made


@pytest.mark.parametrize(("champion", "status"), [("2", "promoted"), ("1", "promoted before")])
def test_a_run_says_promoted_only_while_its_version_is_champion(run, monkeypatch, champion, status):
    monkeypatch.setattr(mlflow_registry, "find_aliases", lambda *_: {"champion": champion})
    assert status_of(run) == status


def test_a_promotion_that_was_taken_back_is_told_as_of_then():
    document = {"status": "promoted before", "task": "docs", "registration": PROMOTED.model_dump(), "report": "report.html"}
    assert _text(document).startswith(
        "docs: version 2 was promoted before and is not champion now; nothing changed. the gates said"
    )


FAILED = {"dataset": "docs", "check": "row_minimum", "passed": False, "reason": "train has 3 rows"}
ENDS = {
    "refused": "docs: it failed floor; see report.html",
    "invalid data": "docs: check row_minimum failed: train has 3 rows; see report.html",
    "promoted": None,
    "challenger": None,
    "waiting": None,
    "unchanged": None,
}


@pytest.mark.parametrize(("status", "said"), ENDS.items())
def test_only_a_check_or_the_gates_say_no(status, said):
    document = {
        "status": status, "task": "docs", "report": "report.html", "verdict": {"reason": "it failed floor"},
        "validation": {"results": [FAILED | {"passed": True}, FAILED]},
    }  # fmt: skip
    assert no_of(document) == said


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A task folder; folder and environment of the process are as before when the test ends."""
    shutil.copy(Path(__file__).resolve().parents[2] / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("name", ["run", "retrain", "monitor"])
def test_a_command_whose_run_was_refused_ends_with_1_after_its_document(name, project, monkeypatch):
    refused = {
        "status": "refused",
        "task": "docs",
        "report": "report.html",
        "verdict": {"reason": "it failed"},
        "registration": None,
    }
    seen = {"drift": None, "decision": {"retrain": True, "reason": "new rows"}, "run": refused}
    monkeypatch.setattr("rootstock_flows.train.run_train", lambda *_, **__: refused)
    monkeypatch.setattr("rootstock_flows.retrain.run_retrain", lambda *_, **__: seen)
    done = CliRunner().invoke(command_line, [name, "--json"])
    assert isinstance(done.exception, Refusal)
    assert done.exception.exit_code == 1
    assert json.loads(done.stdout) in (refused, seen)
