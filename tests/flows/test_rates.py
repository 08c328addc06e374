"""How long stages take, from what runs have written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rootstock_flows.rates import TYPICAL, Measured, from_runs, from_sample, measure_forward, measured_runs
from rootstock_flows.workload import sizes_of, work_of


def test_a_stage_that_grows_with_rows_is_scaled_by_the_median():
    fixed = TYPICAL["tune"].fixed
    runs = [Measured(100, fixed + 1), Measured(200, fixed + 4), Measured(100, fixed + 50)]
    assert from_runs("tune", 300, runs) == pytest.approx(fixed + 300 * 0.02)


def test_a_stage_that_does_not_takes_as_long_as_it_did():
    assert from_runs("resolve", 1, [Measured(1, 2.0), Measured(1, 4.0), Measured(1, 3.0)]) == 3.0


def test_a_stage_faster_than_what_is_typical_is_not_predicted_slower():
    assert from_runs("validate", 100, [Measured(100, 0.5)]) == pytest.approx(0.5)


def test_without_runs_a_training_pass_costs_more_than_embedding():
    assert from_sample("embed", 1000, 0.01) < from_sample("tune", 1000, 0.01)


@pytest.fixture
def run_file(tiny_data, tiny_params):
    """Writes the document of a run into the workspace, with changes."""

    def write(number: int = 0, **changed: object) -> None:
        document = {
            "params": tiny_params.model_dump(mode="json"),
            "data": {"prepared": tiny_data.model_dump(mode="json")},
            "scoring": {
                "task_runner": "thread", "workers": 2, "candidates": 5, "seconds": 6.0, "embedding_seconds": 4.0,
                "scoring_seconds": 2.0,
                "embeddings": [{"backbone": "b", "dataset": "related", "rows": 60, "seconds": 3.0}],
            },
            "selection": {"rounds": [[{"source_rows": 30}, {"source_rows": 30}]]},
            "source_tuning": {"rows": 60},
            "seconds": {"resolve": 0.3, "rank": 9.0, "select": 8.0, "tune": 7.0, "finetune": 6.0},
            "reused": ["finetune"],
        }  # fmt: skip
        path = Path(f"workspace/runs/{number}/run.json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document | changed), encoding="utf-8")

    return write


def test_a_run_tells_what_its_stages_took_and_how_much_they_did(run_file, tiny_data, tiny_params):
    run_file()
    found = measured_runs("workspace")
    work = work_of(sizes_of(tiny_data), tiny_params, candidates=5, tuned_rows=60, rounds=((2, 30),))
    assert found["tune"] == (Measured(work["tune"], 7.0),)
    assert found["select"] == (Measured(work["select"], 8.0),)
    assert found["embed"] == (Measured(60, 4.0),)
    assert found["score"] == (Measured(work["score"], 2.0),)


def test_a_stage_that_was_reused_tells_nothing(run_file):
    run_file()
    assert "finetune" not in measured_runs("workspace")


def test_a_run_that_embedded_and_tuned_nothing_tells_nothing_of_either(run_file):
    run_file(scoring=None, source_tuning={"rows": 0}, selection=None)
    assert set(measured_runs("workspace")) == {"resolve"}


def test_the_document_of_another_version_is_passed_over(run_file):
    run_file(0, params={"task": "old"})
    run_file(1, data={"prepared": None})
    assert measured_runs("workspace") == {}


def test_a_run_whose_rule_took_one_method_tells_what_that_one_took(run_file, tiny_data, tiny_params):
    params = tiny_params.model_dump(mode="json")
    params["finetuning"]["choose"] = "auto"
    run_file(params=params, training={"method": "linear_probe"}, reused=[])
    probe = [method for method in tiny_params.finetuning.methods if method.name == "linear_probe"]
    work = work_of(sizes_of(tiny_data), tiny_params, candidates=5, tuned_rows=60, rounds=((2, 30),), methods=probe)
    assert measured_runs("workspace")["finetune"] == (Measured(work["finetune"], 6.0),)


def test_a_run_that_searched_learning_rates_tells_nothing_of_fine_tuning(run_file, tiny_params):
    params = tiny_params.model_dump(mode="json")
    params["finetuning"]["search"] = {"minutes": 1, "trials": 3, "factor": 10}
    run_file(params=params, reused=[])
    assert "finetune" not in measured_runs("workspace")
    assert "tune" in measured_runs("workspace")


def evaluated(run_file, **reloading):
    run_file(seconds={"evaluate": 20.0}, reused=[], evaluation={"reloading": reloading or None})
    return measured_runs("workspace")


def test_what_the_reloaded_model_took_in_its_own_process_is_told_apart(run_file, tiny_data, tiny_params):
    found = evaluated(run_file, failure=None, seconds=12.0)
    work = work_of(sizes_of(tiny_data), tiny_params, candidates=5, tuned_rows=60, rounds=())
    assert found["measure"] == (Measured(work["measure"], 8.0),)
    assert found["reload"] == (Measured(work["reload"], 12.0),)


def test_a_champion_that_was_measured_too_counts_as_work_done(run_file, tiny_data, tiny_params):
    run_file(seconds={"evaluate": 20.0}, reused=[], incumbent={"model": {"path": "m", "sha256": "0"}})
    work = work_of(sizes_of(tiny_data), tiny_params, candidates=5, tuned_rows=60, rounds=(), has_champion=True)
    assert measured_runs("workspace")["measure"] == (Measured(work["measure"], 20.0),)


def test_a_model_that_did_not_answer_in_its_process_tells_nothing_of_how_long_that_takes(run_file):
    found = evaluated(run_file, failure="it is broken", seconds=2.0)
    assert "reload" not in found
    assert found["measure"][0].seconds == 18.0


def test_an_evaluation_that_reloaded_nothing_was_all_spent_measuring(run_file):
    found = evaluated(run_file)
    assert "reload" not in found
    assert found["measure"][0].seconds == 20.0


def test_an_evaluation_that_did_not_tell_the_two_apart_tells_nothing(run_file):
    assert not {"measure", "reload"} & set(evaluated(run_file, failure=None))


def test_embedding_a_sample_gives_rows_a_second_and_layers_and_keeps_nothing(tiny_data, tiny_params):
    workspace = tiny_params.model_copy(update={"workspace": "workspace"})
    found = measure_forward(["the keel of a boat"] * 100, workspace)
    assert found.rows_per_second > 1
    assert found.layers == 2
    assert not Path("workspace").exists()
