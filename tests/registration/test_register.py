from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rootstock import journal
from rootstock.classifier import Classifier
from rootstock.errors import DataError, Refusal
from rootstock.params import RegistrationParams
from rootstock.records import EvalReport, GateResult, GateVerdict, Measure, Registration, Scored, TrainedModel, Verdict
from rootstock.registration import mlflow_registry
from rootstock.registration.by_hand import rollback
from rootstock.registration.chain import check_chain
from rootstock.registration.promotion import only_champion_missing
from rootstock.registration.versions import list_versions

Stage = Callable[..., Registration]
MODEL = "tiny-model"


def aliases(workspace: str) -> dict[str, str]:
    return mlflow_registry.find_aliases(mlflow_registry.tracking(workspace), MODEL)


def kinds(workspace: str) -> list[str]:
    return [entry.kind for entry in journal.read_journal(workspace) if entry.kind != "settled"]


def test_a_passing_model_becomes_champion_where_there_is_none(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1")
    assert (done.version, done.alias, done.previous, done.uri) == ("1", "champion", None, f"models:/{MODEL}/1")
    assert aliases(workspace) == {"champion": "1"}


def test_the_same_run_key_gives_the_same_registration_and_no_second_version(run_stage: Stage, workspace: str) -> None:
    first = run_stage(0, run_key="a1")
    assert run_stage(0, run_key="a1") == first
    assert len(list_versions(MODEL, workspace=workspace)) == 1


def test_a_second_passing_model_makes_the_first_previous(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    done = run_stage(1, run_key="b2", champion="1")
    assert (done.version, done.alias, done.previous) == ("2", "champion", "1")
    assert aliases(workspace) == {"champion": "2", "previous": "1"}


def test_a_refused_model_has_a_run_with_the_reason_and_no_version(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1", verdict="fail")
    assert (done.version, done.alias, done.uri) == (None, None, None)
    assert list_versions(MODEL, workspace=workspace) == ()
    run = mlflow_registry.tracking(workspace).get_run(done.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["rootstock.reason"] == "the gates said fail"


def test_an_undecided_model_challenges_a_champion(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    done = run_stage(1, run_key="b2", verdict="inconclusive", champion="1")
    assert done.alias == "challenger"
    assert aliases(workspace) == {"champion": "1", "challenger": "2"}


def test_a_model_judged_against_a_former_champion_is_not_promoted(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    done = run_stage(1, run_key="b2", champion=None)
    assert done.alias == "challenger"
    assert "version 1 is champion now" in done.reason
    assert aliases(workspace)["champion"] == "1"


def test_a_replay_does_not_undo_a_rollback(run_stage: Stage, workspace: str, registration: RegistrationParams) -> None:
    run_stage(0, run_key="a1")
    promoted = run_stage(1, run_key="b2", champion="1")
    rollback(registration=registration, reason="complaints", workspace=workspace)
    assert run_stage(1, run_key="b2", champion="1") == promoted
    assert aliases(workspace) == {"champion": "1"}


def test_each_run_has_one_decision_and_a_refused_one_too(run_stage: Stage, workspace: str) -> None:
    for _ in range(2):
        run_stage(0, run_key="a1", verdict="fail")
        run_stage(0, run_key="b2", verdict="inconclusive")
    decisions = [entry.facts for entry in journal.read_journal(workspace) if entry.kind == "decision"]
    assert [(facts["run_key"], facts["verdict"], facts["version"]) for facts in decisions] == [
        ("a1", "fail", None), ("b2", "inconclusive", "1"),
    ]  # fmt: skip
    assert {facts["trigger"] for facts in decisions} == {"by hand"}


def test_inputs_that_are_judged_otherwise_later_have_a_second_decision(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1", verdict="fail")
    run_stage(0, run_key="a1")
    assert kinds(workspace) == ["decision", "decision", "promotion"]


def test_a_replay_after_a_kill_does_not_undo_a_rollback_in_between(
    run_stage: Stage, workspace: str, registration: RegistrationParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, run_key="a1")

    def killed(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "end_run", killed)
        with pytest.raises(Killed):
            run_stage(1, run_key="b2", champion="1")
    rollback(registration=registration, reason="complaints", workspace=workspace)
    done = run_stage(1, run_key="b2", champion="1")
    assert (done.version, done.alias) == ("2", "champion"), "the answer of then"
    assert aliases(workspace) == {"champion": "1"}


@pytest.mark.parametrize(
    ("gates", "possible"),
    [
        ({"against_champion": "inconclusive", "floor": "pass"}, True),
        ({"against_champion": "inconclusive", "floor": "inconclusive"}, False),
    ],
)
def test_a_version_that_only_lacks_the_comparison_with_the_champion_is_marked(gates: dict[str, Verdict], possible: bool) -> None:
    results = tuple(GateResult(gate=name, verdict=word, observed="", required="", reason="") for name, word in gates.items())
    verdict = GateVerdict(verdict="inconclusive", results=results, reason="r", looks=None)
    report = EvalReport.model_construct(champion=Scored(name="champion", measures={}, note="no label in common"))
    assert only_champion_missing(verdict, report) == ("no label in common" if possible else None)
    accuracy = Measure(value=0.5, low=0.4, high=0.6, n=9, unit="share", higher_is_better=True)
    scored = EvalReport.model_construct(champion=Scored(name="champion", measures={"accuracy": accuracy}, note=""))
    assert only_champion_missing(verdict, scored) is None


class Killed(BaseException):
    """Stands for the end of the process."""


STEPS = [
    (mlflow_registry, "log_run"), (mlflow_registry, "upload_model"), (mlflow_registry, "fetch_model"),
    (mlflow_registry, "create_version"), (journal, "append"), (mlflow_registry, "set_alias"), (mlflow_registry, "end_run"),
    (mlflow_registry, "tag_version"),
]  # fmt: skip


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_killed_at_each_step_in_turn_the_next_call_completes_with_one_version(
    before: bool, run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, run_key="a1")
    for module, step in STEPS:
        real = getattr(module, step)

        def killed(*args: Any, real: Callable[..., Any] = real, **kwargs: Any) -> None:
            if not before:
                real(*args, **kwargs)
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(module, step, killed)
            with pytest.raises(Killed):
                run_stage(1, run_key="b2", champion="1")
    done = run_stage(1, run_key="b2", champion="1")
    assert (done.version, done.alias, done.previous) == ("2", "champion", "1")
    assert [version.version for version in list_versions(MODEL, workspace=workspace)] == ["1", "2"]
    assert aliases(workspace) == {"champion": "2", "previous": "1"}
    assert kinds(workspace) == ["decision", "promotion"] * 2
    assert check_chain(MODEL, workspace=workspace) == ()
    client = mlflow_registry.tracking(workspace)
    experiment = client.get_experiment_by_name("tiny-experiment").experiment_id
    assert len(client.search_runs([experiment])) == len(client.search_logged_models([experiment])) == 2
    assert client.get_run(done.run_id).info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(done.run_id, "curve.loss_ training")]
    assert steps == [0, 1, 2], "a value that was logged again must not appear twice"


def test_a_model_that_answers_otherwise_after_upload_is_not_registered(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mlflow_registry.fetch_model

    def spoil(uri: str, folder: Path) -> Path:
        from safetensors.numpy import load_file, save_file

        head = real(uri, folder) / "head.safetensors"
        save_file({name: value * 0.5 for name, value in load_file(head).items()}, head)
        return folder

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "fetch_model", spoil)
        with pytest.raises(Refusal, match="nothing was registered"):
            run_stage(0, run_key="a1")
    assert list_versions(MODEL, workspace=workspace) == ()
    client = mlflow_registry.tracking(workspace)
    assert not client.search_logged_models([client.get_experiment_by_name("tiny-experiment").experiment_id])
    assert run_stage(0, run_key="a1").version == "1", "a whole upload must be possible afterwards"


def test_a_trained_model_changed_since_its_evaluation_is_refused(
    run_stage: Stage, trained_model: Callable[[int], TrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = trained_model(0)
    real = mlflow_registry.log_run

    def change(*args: Any) -> None:
        real(*args)
        Path(trained.model.path, "labels.json").write_text("{}", encoding="utf-8")

    monkeypatch.setattr(mlflow_registry, "log_run", change)
    with pytest.raises(DataError, match="was changed"):
        run_stage(0, run_key="a1")


def test_the_run_holds_params_intervals_lineage_and_records(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1")
    client = mlflow_registry.tracking(workspace)
    run = client.get_run(done.run_id)
    assert run.data.params["backbone.batch_rows"] == "8"
    assert run.data.metrics["accuracy.low"] == pytest.approx(0.7)
    assert run.data.metrics["baseline.majority.accuracy"] == pytest.approx(0.3)
    lineage = {line.dataset.name: (line.dataset.source_type, line.tags[0].value) for line in run.inputs.dataset_inputs}
    assert lineage == {"tiny": ("dvc", "target"), "films": ("dvc", "source"), "tweets": ("dvc", "considered")}
    source = json.loads(next(line.dataset.source for line in run.inputs.dataset_inputs if line.dataset.name == "tiny"))
    assert (source["revision"], source["registry"]) == ("tiny/v3", "data-registry")
    files = {item.path for item in client.list_artifacts(done.run_id, "records")}
    assert "records/trained_model.json" in files
    assert "records/verdict.json" in files


def test_registering_leaves_the_trained_model_as_it_was(run_stage: Stage, trained_model: Callable[[int], TrainedModel]) -> None:
    trained = trained_model(0)
    run_stage(0, run_key="a1")
    assert trained.damage() == ()


def test_a_fresh_process_gets_the_same_answers_from_mlflow_as_from_load_py_without_rootstock(
    run_stage: Stage, workspace: str, project: Path
) -> None:
    run_stage(1, run_key="a1")
    texts = ["red apple", "fast car boat", "slow", "sky leaf green blue"]
    expected = Classifier.load(project / "stages/a1/model").predict(texts).probabilities
    names = Classifier.load(project / "stages/a1/model").labels
    labels = [names[i] for i in expected.argmax(axis=1)]
    assert len(set(labels)) > 1

    script = f"""
import json, mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/{MODEL}@champion")
texts = {texts!r}
frame = model.predict(pd.DataFrame({{"input": texts}}, index=[7, 8, 9, 10]))
print(json.dumps([frame.to_dict("list"), list(frame.index), list(model.predict(texts)["predicted"])]))
"""
    database = f"sqlite:///{project}/.rootstock/mlflow.db"
    environment = os.environ | {"MLFLOW_TRACKING_URI": database, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    components = str(Path(mlflow_registry.__file__).parents[2])
    served = subprocess.Popen([sys.executable, "-c", script], env=environment | {"PYTHONPATH": components}, stdout=subprocess.PIPE)
    bare = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    plain = subprocess.run(
        [sys.executable, "stages/a1/model/load.py"], input="\n".join(texts), env=bare, capture_output=True, text=True, check=True
    )
    answers, index, from_list = json.loads(served.communicate()[0])
    assert plain.stdout.splitlines() == labels
    assert answers["predicted"] == labels == from_list
    assert index == [7, 8, 9, 10]
    for column, name in enumerate(names):
        assert answers[name] == pytest.approx(list(expected[:, column]), abs=1e-5)


def test_a_version_is_asked_for_by_model_id_without_which_a_server_refuses_it(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    asked: list[dict[str, Any]] = []
    real = mlflow.MlflowClient.create_model_version

    def spy(self: Any, name: str, source: str, **others: Any) -> Any:
        asked.append({"source": source, **others})
        return real(self, name, source, **others)

    monkeypatch.setattr(mlflow.MlflowClient, "create_model_version", spy)
    run_stage(0, run_key="a1")
    assert asked[0]["source"] == f"models:/{asked[0]['model_id']}"


def test_nothing_registered_is_a_pickle(run_stage: Stage, workspace: str, project: Path) -> None:
    run_stage(0, run_key="a1")
    stored = {path.name for path in (project / ".rootstock/mlartifacts").rglob("*") if path.is_file()}
    assert {"MLmodel", "pyfunc_model.py", "head.safetensors", "load.py", "README.md"} <= stored
    assert not [name for name in stored if name.endswith((".pkl", ".bin", ".pt", ".joblib"))]
