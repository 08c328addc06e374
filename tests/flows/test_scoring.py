"""Candidates scored side by side: the same ranking with every task runner, and without any."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
from rootstock.errors import ParamsError
from rootstock.params import FlowParams
from rootstock_flows.embeddings import Scoring, embedding_mark, embeddings_wanted

LOOKED_UP = ("resolve", "incumbent", "history", "prepare", "validate", "rank")


def flow(runner: str) -> FlowParams:
    return FlowParams(retries=0, retry_delay_seconds=0, task_runner=runner, workers=2)


def spec(name: str, kind: str, *, backbone: str = "one", excluded: str | None = None):
    from rootstock.similarity.candidates import CandidateSpec

    return CandidateSpec(name=f"{name} on {backbone}", source=name, backbone=backbone, kind=kind, excluded=excluded)


def test_a_data_set_is_embedded_once_a_backbone(tiny_data):
    specs = (
        spec("backbone alone", "backbone"), spec("related", "domain"), spec("related", "domain", backbone="two"),
        spec("from scratch", "scratch"), spec("champion", "champion", backbone="tuned"),
    )  # fmt: skip
    assert embeddings_wanted(specs, tiny_data) == (
        ("one", "target"), ("one", "related"), ("two", "target"), ("two", "related"),
    )  # fmt: skip


def test_a_barred_source_is_not_embedded(tiny_data):
    specs = (spec("backbone alone", "backbone"), spec("related", "domain", excluded="its licence is unknown"))
    assert embeddings_wanted(specs, tiny_data) == (("one", "target"),)


def test_other_rows_and_another_pooling_are_another_embedding(tiny_params):
    name = tiny_params.backbone.name
    cls = tiny_params.model_copy(update={"backbone": tiny_params.backbone.model_copy(update={"pooling": "cls"})})
    here = [(tiny_params, "a"), (tiny_params, "b"), (cls, "a"), (tiny_params, "a")]
    marks = [embedding_mark(name, rows * 64, params) for params, rows in here]
    assert len(set(marks)) == 3
    assert marks[0] == marks[3]


def test_a_line_says_what_was_done():
    done = Scoring(
        task_runner="thread", workers=2, candidates=21, seconds=3.0, embedding_seconds=2.0, scoring_seconds=1.0,
        embeddings=({"backbone": "one", "dataset": "a", "rows": 30, "seconds": 1.0},),
    )  # fmt: skip
    assert done.says() == "21 candidates, 2 at a time (thread), 30 rows embedded for it"


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_a_runner_that_is_not_installed_is_one_line_that_says_what_to_install(runner, monkeypatch):
    from rootstock_flows.scoring import require_runner

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParamsError, match=rf"flow.task_runner: {runner} needs the package prefect-{runner}, found none") as caught:
        require_runner(flow(runner))
    assert f"pip install 'rootstock-mlops[{runner}]'" in str(caught.value)
    require_runner(flow("thread"))


def test_threads_are_as_many_as_the_params_say():
    from prefect.task_runners import ThreadPoolTaskRunner
    from rootstock_flows.scoring import task_runner

    assert task_runner(flow("thread")) == ThreadPoolTaskRunner(max_workers=2)


@pytest.fixture(scope="session")
def ranked_alone(task):
    """The ranking of the stage itself, one candidate after another, as ``dvc repro`` calls it."""
    for name in LOOKED_UP:
        found = task.here("stage", name, "--set", "workspace=alone")
    return found


SAME = ("name", "scores", "evidence", "predicted_gain", "risk", "matched_labels", "excluded")


def said_of(ranking):
    return [{key: candidate[key] for key in SAME} for candidate in ranking["candidates"]]


@pytest.mark.flow
@pytest.mark.slow
@pytest.mark.parametrize("runner", ["thread", "dask", "ray"])
def test_every_runner_gives_the_ranking_that_the_stage_gives_alone(runner, task, ranked_alone):
    if runner != "thread":
        pytest.importorskip(f"prefect_{runner}", reason=f"the extra '{runner}' is not installed")
    done = task.call("rank", "--json", "--set", f"workspace={runner}", "--set", f"flow.task_runner={runner}")
    assert done.returncode == 0, done.stderr
    assert re.search(rf"2 at a time \({runner}\), \d+ rows embedded for it", done.stderr)
    ranking = json.loads(done.stdout)
    assert said_of(ranking) == said_of(ranked_alone)
    assert ranking["chosen"] == ranked_alone["chosen"]
    assert (task.folder / runner / "rankings").is_dir()
    assert ranking["sentence"].endswith(".")
    assert (task.folder / ranking["report"]).is_file()
