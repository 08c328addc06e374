"""What a run cannot be gone through again from."""

from __future__ import annotations

import pytest
from rootstock.errors import DataError
from rootstock.params import parse_params
from rootstock.records import DatasetRevision
from rootstock_flows import reproduce as module
from rootstock_flows.reproduce import Reproduction, reproduce


@pytest.fixture
def params(params_mapping):
    return parse_params(params_mapping(), "params.yaml")


def test_a_run_that_ended_before_a_model_is_an_error_that_says_why(journal, params):
    (entry,) = [each for each in journal() if each.facts.get("verdict") == "invalid data"]
    with pytest.raises(DataError, match="expected a run that trained a model, found one that ended before: the gates said invalid"):
        reproduce(entry, params=params)


def test_a_revision_whose_tag_was_moved_is_an_error_and_nothing_runs(journal, params, params_mapping, monkeypatch):
    entry = journal()[0]
    moved = DatasetRevision(dataset="numpy-docs", revision="numpy-docs/v1", git_sha="f" * 40, md5="0" * 32)
    monkeypatch.setattr(module.registry, "resolve", lambda path, name, revision: moved)
    monkeypatch.setattr(module, "run_stage_as_asked", None)
    given = entry.model_copy(update={"facts": {**entry.facts, "params": params_mapping()}})
    with pytest.raises(DataError, match=r"expected numpy-docs/v1 with md5 111111111111 at git a1b2c3d, found md5 000000000000"):
        reproduce(given, params=params)


def answers(**changes: object) -> module.SameAnswers:
    gap = {"value": 0.0, "low": -0.01, "high": 0.01, "n": 470, "unit": "share", "higher_is_better": True}
    fields = {"rows": 470, "differing": 0, "differing_rows": (), "difference": gap, "largest_shift": 0.0}
    return module.SameAnswers.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "version 3: identical labels on all 470 test rows (largest shift of a probability 0)"),
        (
            {"differing": 4},
            "version 3: 4 of 470 labels differ; accuracy again less before +0.0000 [-0.0100, +0.0100]: within chance",
        ),
        (
            {"differing": 40, "difference": answers().difference.model_copy(update={"value": -0.05, "high": -0.02})},
            "version 3: 40 of 470 labels differ; accuracy again less before -0.0500 [-0.0100, -0.0200]: NOT the same",
        ),
    ],
)
def test_the_answer_says_what_is_the_same_and_how_the_place_differs(changes, said):
    found = Reproduction(
        run_key="a" * 64, version="3", answers=answers(**changes), verdict_before="pass", verdict_again="pass",
        elsewhere=("python: 3.11.7 then, 3.12.0 now",), seconds=61.0, workspace="w",
    )  # fmt: skip
    first, _, place = found.as_text().splitlines()
    assert first == said
    assert place == "not as then: python: 3.11.7 then, 3.12.0 now"
