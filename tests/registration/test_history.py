from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock.errors import ServiceError
from rootstock.records import (
    EvalReport,
    Outcome,
    PreparedData,
    Registration,
    Selection,
    SourceRanking,
    TrainedModel,
)
from rootstock.registration import mlflow_registry
from rootstock.registration.history import OUTCOME_TAG, outcome_of, outcome_tags, read_history

Stage = Callable[..., Registration]


ROWS_TESTED = 20


def history(workspace: str, *, run_key: str = "ff") -> tuple[Outcome, ...]:
    return read_history(workspace=workspace, run_key=run_key, folder=Path("history")).outcomes


def outcome(**changed: object) -> Outcome:
    fields = {
        "task": "t", "target": "tiny", "source": "films", "backbone": "tiny", "labelled_rows": 20, "classes": 3,
        "evidence": {"logme": 0.1 + 0.2, "leep": None}, "predicted": 0.25, "realised": 1 / 3,
    }  # fmt: skip
    return Outcome.model_validate(fields | changed)


def tagged(workspace: str, *values: str) -> None:
    """A run of another experiment for each value."""
    client = mlflow_registry.tracking(workspace)
    experiment = mlflow_registry.find_experiment(client, "another task", workspace)
    for number, value in enumerate(values):
        client.create_run(experiment, start_time=number + 1, tags={OUTCOME_TAG: value})


def test_there_is_no_history_before_the_first_run(workspace: str) -> None:
    assert history(workspace) == ()


def test_a_run_keeps_predicted_and_realised_gain_and_gives_them_back_exactly(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1")
    [kept] = history(workspace)
    assert kept == outcome(task="tiny-task", realised=0.8 - 0.55, standard_error=kept.standard_error)
    metrics = mlflow_registry.tracking(workspace).get_run(done.run_id).data.metrics
    assert {name: value for name, value in metrics.items() if name.startswith("gain.")} == pytest.approx(
        {"gain.predicted": 0.25, "gain.predicted_low": 0.15, "gain.predicted_high": 0.35, "gain.risk": 0.03, "gain.realised": 0.25}
    )


def test_a_refused_run_keeps_its_outcome_too(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1", verdict="fail")
    assert len(history(workspace)) == 1


def test_a_run_does_not_read_its_own_outcome(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    assert history(workspace, run_key="a1") == ()


def test_the_same_training_under_another_key_was_measured_once(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    run_stage(0, run_key="b2", champion="1")
    assert len(history(workspace)) == 1


def test_outcomes_of_every_task_come_oldest_first(run_stage: Stage, workspace: str) -> None:
    tagged(workspace, *(outcome(realised=value / 10).model_dump_json() for value in range(3)))
    run_stage(0, run_key="a1")
    assert [round(each.realised, 3) for each in history(workspace)] == [0.0, 0.1, 0.2, 0.25]


def test_what_cannot_be_read_is_passed_over(workspace: str) -> None:
    kept = outcome()
    tagged(workspace, "no json", '{"task": "t"}', "[]", kept.model_dump_json(), kept.model_dump_json()[:-9])
    assert history(workspace) == (kept,)


def test_runs_that_logged_none_or_were_deleted_take_no_part(workspace: str) -> None:
    tagged(workspace, outcome().model_dump_json())
    client = mlflow_registry.tracking(workspace)
    experiment = mlflow_registry.find_experiment(client, "another task", workspace)
    client.create_run(experiment)
    assert len(history(workspace)) == 1
    for run in client.search_runs([experiment]):
        client.delete_run(run.info.run_id)
    assert history(workspace) == ()


def test_only_the_newest_are_read(workspace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rootstock.registration.history.LONGEST_HISTORY", 2)
    tagged(workspace, *(outcome(realised=value / 10).model_dump_json() for value in range(4)))
    assert [each.realised for each in history(workspace)] == [0.2, 0.3]


def test_a_store_that_does_not_answer_is_not_an_empty_history(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError, match="could not search its runs"):
        history("unused")


@pytest.fixture
def found(
    trained_model: Callable[[int], TrainedModel], evaluated: Callable[[TrainedModel], EvalReport], ranking: SourceRanking,
    selection: Selection, prepared: PreparedData,
) -> Callable[..., Outcome | None]:  # fmt: skip
    """The outcome of the first model, with fields of the records changed."""
    trained = trained_model(0)
    report = evaluated(trained)

    def make(
        *,
        trains: dict[str, object] | None = None,
        picks: dict[str, object] | None = None,
        control: bool = True,
        inflated: float = 1.0,
    ) -> Outcome | None:
        baselines = report.baselines if control else report.baselines[:1]
        return outcome_of(
            trained.model_copy(update=trains or {}),
            report.model_copy(update={"baselines": baselines, "variance_inflation": inflated}), ranking,
            selection.model_copy(update=picks or {}), prepared, task="t",
        )  # fmt: skip

    return make


def test_a_transfer_has_an_outcome(found: Callable[..., Outcome | None]) -> None:
    transferred = found()
    assert transferred == outcome(realised=0.8 - 0.55, standard_error=transferred.standard_error)


def test_the_standard_error_of_a_gain_is_that_of_two_accuracies_drawn_towards_one_half(found: Callable[..., Outcome]) -> None:
    rows = ROWS_TESTED + 4
    mine, other = ((accuracy * ROWS_TESTED + 2) / rows for accuracy in (0.8, 0.55))
    assert found().standard_error ** 2 == pytest.approx(mine * (1 - mine) / rows + other * (1 - other) / rows)
    assert found(inflated=3.0).standard_error ** 2 == pytest.approx(3 * found().standard_error ** 2)


def test_without_a_transfer_there_is_no_outcome(found: Callable[..., Outcome | None]) -> None:
    assert found(picks={"chosen": None, "chosen_name": None, "chosen_kind": "backbone"}) is None
    assert found(trains={"source": None}) is None, "cross-validation chose the bare backbone"


def test_a_gain_over_another_backbone_than_the_predicted_one_is_no_outcome(found: Callable[..., Outcome | None]) -> None:
    assert found(picks={"backbone": "another"}) is None


def test_a_run_on_another_backbone_than_the_first_keeps_no_outcome(
    run_stage: Stage, ranking: SourceRanking, workspace: str
) -> None:
    films, alone = ranking.candidates
    twins = (films, alone.model_copy(update={"name": "backbone alone on tiny"}), alone.model_copy(update={"backbone": "first"}))
    done = run_stage(0, run_key="a1", advice=ranking.model_copy(update={"candidates": twins}))
    assert history(workspace) == ()
    metrics = mlflow_registry.tracking(workspace).get_run(done.run_id).data.metrics
    assert not [name for name in metrics if name.startswith("gain.")]


def test_without_the_control_there_is_no_outcome(found: Callable[..., Outcome | None]) -> None:
    assert found(control=False) is None


def test_forty_metrics_fit_into_the_tag_and_a_text_that_does_not_is_left_out() -> None:
    assert outcome_tags(outcome(evidence={f"metric_number_{n}_of_many": 1 / (n + 3) for n in range(40)}))
    assert outcome_tags(outcome(evidence={f"metric_{n}": 1.0 for n in range(1000)})) == {}
    assert outcome_tags(None) == {}
