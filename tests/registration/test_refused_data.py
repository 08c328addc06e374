"""The decision of a run that ended before training."""

from __future__ import annotations

from pathlib import Path

import pytest
from rootstock.journal import read_journal
from rootstock.params import Params, parse_params
from rootstock.records import Artifact, CheckResult, DatasetRevision, Incumbent, Resolution, ValidationReport
from rootstock.registration.decision import INVALID_DATA, record_refused_data
from rootstock.registration.story import as_text, tell

KEY = "f" * 64


def check(dataset: str, *, passed: bool) -> CheckResult:
    return CheckResult(check="leakage", dataset=dataset, passed=passed, failing=4, rows=9, failing_rows=(), reason="4 rows leak")


def revision(name: str) -> DatasetRevision:
    return DatasetRevision(dataset=name, revision=f"{name}/v1", git_sha="a" * 40, md5="b" * 32)


@pytest.fixture
def params(params_mapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return parse_params(params_mapping(), "params.yaml")


def refuse(params: Params) -> None:
    validation = ValidationReport(
        passed=False, results=(check("torch-docs", passed=False), check("numpy-docs", passed=False)),
        excluded_sources={"numpy-docs": "4 rows leak"}, suites=Artifact(path="suites", sha256="c" * 64), data_docs="docs.html",
    )  # fmt: skip
    resolution = Resolution(registry="data", target=revision("torch-docs"), sources=(revision("numpy-docs"),))
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    record_refused_data(validation, resolution, nobody, run_key=KEY, trigger="schedule", params=params)


def test_it_names_what_refused_the_target_and_is_no_look(params):
    refuse(params)
    (entry,) = read_journal(params.workspace)
    assert (entry.facts["verdict"], entry.facts["reason"]) == (INVALID_DATA, "torch-docs: check leakage failed: 4 rows leak")
    assert (entry.facts["version"], entry.facts["compared_with"], entry.facts["trigger"]) == (None, None, "schedule")
    assert entry.facts["params"] == params.model_dump(mode="json")


def test_the_same_run_again_is_no_second_decision(params):
    refuse(params)
    refuse(params)
    assert len(read_journal(params.workspace)) == 1


def test_it_has_a_story(params):
    refuse(params)
    text = as_text(tell(read_journal(params.workspace), KEY[:8], model=params.registration.model))
    assert "ended before training: the data was refused" in text
    assert "torch-docs/v1 (md5 bbbbbbbbbbbb, git aaaaaaa); sources numpy-docs/v1" in text
