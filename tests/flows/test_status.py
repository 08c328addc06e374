"""How a run says that it ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from rootstock.params import load_params
from rootstock.records import Registration, ValidationReport
from rootstock.registration import mlflow_registry
from rootstock_flows.commands.run import _text
from rootstock_flows.document import status_of
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
