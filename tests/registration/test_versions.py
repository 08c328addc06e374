from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock.errors import DataError, InputError, ServiceError
from rootstock.files import sha256_of
from rootstock.params import RegistrationParams, SimilarityParams
from rootstock.records import Incumbent, Registration
from rootstock.registration import mlflow_registry
from rootstock.registration.by_hand import promote
from rootstock.registration.versions import download_model, find_incumbent, find_test_rows

Stage = Callable[..., Registration]
MODEL = "tiny-model"
SECTION = RegistrationParams(model=MODEL, experiment="tiny-experiment", approval="automatic", lease_seconds=20)
SIMILARITY = SimilarityParams.model_construct(earlier_versions=1)


def test_there_is_no_incumbent_before_the_first_registration(workspace: str) -> None:
    found = find_incumbent(registration=SECTION, similarity=SIMILARITY, workspace=workspace, folder=Path("incumbent"))
    assert (found.version, found.model, found.run_key, found.earlier) == (None, None, None, ())


def test_the_incumbent_is_the_champion_with_its_key_and_files(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", verdict="inconclusive", champion="1")
    found = find_incumbent(registration=SECTION, similarity=SIMILARITY, workspace=workspace, folder=Path("incumbent"))
    assert (found.version, found.run_key) == ("1", "a1")
    assert found.model is not None
    assert found.model.path == "incumbent/version-1"
    assert found.model.sha256 == sha256_of(Path("stages/a1/model"))


def test_an_incumbent_already_downloaded_is_used_again_and_a_damaged_one_replaced(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, run_key="a1")
    calls: list[str] = []
    real = mlflow_registry.fetch_model

    def fetch(uri: str, folder: Path) -> Path:
        calls.append(uri)
        return real(uri, folder)

    monkeypatch.setattr(mlflow_registry, "fetch_model", fetch)

    def find() -> object:
        return find_incumbent(registration=SECTION, similarity=SIMILARITY, workspace=workspace, folder=Path("incumbent"))

    first = find()
    assert find() == first
    assert len(calls) == 1
    Path("incumbent/version-1/labels.json").write_text("{}", encoding="utf-8")
    assert find() == first
    assert len(calls) == 2


def find_with(earlier_versions: int, workspace: str) -> Incumbent:
    similarity = SimilarityParams.model_construct(earlier_versions=earlier_versions)
    return find_incumbent(registration=SECTION, similarity=similarity, workspace=workspace, folder=Path("incumbent"))


def test_versions_before_the_champion_come_with_it_newest_first_and_each_model_once(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1")
    run_stage(0, run_key="c3", champion="2")
    promote("2", registration=SECTION, reason="r", workspace=workspace)
    assert [each.version for each in find_with(5, workspace).earlier] == ["1"], "version 3 is not earlier"
    promote("3", registration=SECTION, reason="r", workspace=workspace)
    found = find_with(5, workspace)
    assert [each.version for each in found.earlier] == ["2"], "version 1 has the champion's own weights"
    assert found.earlier[0].model.path == "incumbent/version-2"
    assert found.earlier[0].model.sha256 == sha256_of(Path("stages/b2/model"))
    assert find_with(0, workspace).earlier == ()


def test_an_earlier_version_is_downloaded_once_and_its_changed_weights_are_noticed(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, run_key="a1")
    run_stage(1, run_key="b2", champion="1")
    first = find_with(1, workspace)
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_registry, "fetch_model", lambda uri, folder: pytest.fail(f"{uri} was downloaded again"))
        assert find_with(1, workspace) == first
    Path("incumbent/version-1/labels.json").write_text("{}", encoding="utf-8")
    assert find_with(1, workspace) == first
    for head in Path(workspace, "mlartifacts").rglob("head.safetensors"):
        if sha256_of(head) == sha256_of(Path("incumbent/version-1/head.safetensors")):
            head.write_bytes(head.read_bytes()[:-1] + b"\x00")
    Path("incumbent/version-1/labels.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ServiceError, match=r"version 1: .* the stored files were changed"):
        find_with(1, workspace)


def test_an_earlier_version_whose_files_are_gone_is_left_out_with_a_warning(
    run_stage: Stage, workspace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_stage(0, run_key="a1")
    (gone,) = Path(workspace, "mlartifacts", "models").glob("m-*")
    run_stage(1, run_key="b2", champion="1")
    shutil.rmtree(gone)
    found = find_with(3, workspace)
    assert (found.version, found.earlier) == ("2", ())
    assert f"warning: version 1 of model '{MODEL}' is left out" in capsys.readouterr().err


def test_an_earlier_version_of_another_tool_is_left_out(run_stage: Stage, workspace: str) -> None:
    client = mlflow_registry.tracking(workspace)
    client.create_registered_model(MODEL)
    client.create_model_version(MODEL, "somewhere/else")
    run_stage(0, run_key="a1")
    found = find_with(3, workspace)
    assert (found.version, found.earlier) == ("2", ())


def test_a_model_downloads_by_version_and_by_alias(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    assert download_model(MODEL, "1", workspace=workspace, folder=Path("x/by-version")) == ("1", Path("x/by-version"))
    download_model(MODEL, "champion", workspace=workspace, folder=Path("x/by-alias"))
    assert sha256_of(Path("x/by-version")) == sha256_of(Path("x/by-alias")) == sha256_of(Path("stages/a1/model"))
    assert sorted(os.listdir("x")) == ["by-alias", "by-version"]


def test_an_unknown_alias_is_an_error_listing_the_known_ones(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    with pytest.raises(InputError, match=r"'chanpion'; known: 1, champion; did you mean 'champion'\?"):
        download_model(MODEL, "chanpion", workspace=workspace, folder=Path("x"))
    assert not Path("x").exists()


def test_a_model_never_registered_is_an_error_that_says_so(workspace: str) -> None:
    with pytest.raises(InputError, match="has no versions yet"):
        download_model(MODEL, "champion", workspace=workspace, folder=Path("x"))


def test_weights_changed_in_the_artifact_store_are_noticed(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    head = next(Path(workspace, "mlartifacts").rglob("head.safetensors"))
    head.write_bytes(head.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ServiceError, match="the stored files were changed"):
        find_incumbent(registration=SECTION, similarity=SIMILARITY, workspace=workspace, folder=Path("incumbent"))


def test_a_version_of_another_tool_is_an_error_and_not_a_missing_champion(workspace: str, project: Path) -> None:
    client = mlflow_registry.tracking(workspace)
    experiment = mlflow_registry.find_experiment(client, "other", workspace)
    run = mlflow_registry.start_run(client, experiment, name="other", run_key="ff")
    model = client.create_logged_model(experiment, "other", run)
    (project / "other").mkdir()
    (project / "other/MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    client.log_model_artifacts(model.model_id, str(project / "other"))
    client.finalize_logged_model(model.model_id, "READY")
    version = mlflow_registry.create_version(client, MODEL, model_id=model.model_id, run_id=run, tags={})
    mlflow_registry.set_alias(client, MODEL, "champion", version)
    with pytest.raises(InputError, match="expected the files of a model that Rootstock registered"):
        find_incumbent(registration=SECTION, similarity=SIMILARITY, workspace=workspace, folder=Path("incumbent"))


def test_the_test_rows_of_a_version_are_found_by_its_run(run_stage: Stage, workspace: str) -> None:
    run_stage(0, run_key="a1")
    found = find_test_rows(MODEL, "champion", workspace=workspace)
    assert (found.path, found.rows, found.sha256) == ("test.parquet", 20, sha256_of(Path("test.parquet")))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda: Path("test.parquet").unlink(), "test.parquet is gone"),
        (lambda: Path("test.parquet").write_bytes(b"others"), "test.parquet was changed"),
    ],
    ids=["gone", "changed"],
)
def test_other_rows_than_the_version_was_judged_on_are_not_given(
    run_stage: Stage, workspace: str, damage: Callable[[], object], said: str
) -> None:
    run_stage(0, run_key="a1")
    damage()
    with pytest.raises(DataError, match=f"version 1: expected the test rows that it was judged on, found that {said}"):
        find_test_rows(MODEL, "1", workspace=workspace)


def test_a_version_whose_run_was_deleted_has_no_test_rows(
    run_stage: Stage, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stage(0, run_key="a1")
    monkeypatch.setattr(mlflow_registry, "read_record", lambda client, run_id, name: None)
    with pytest.raises(DataError, match="its run keeps no record of them"):
        find_test_rows(MODEL, "1", workspace=workspace)


def test_a_record_that_a_run_does_not_keep_is_none(run_stage: Stage, workspace: str) -> None:
    done = run_stage(0, run_key="a1")
    client = mlflow_registry.tracking(workspace)
    assert mlflow_registry.read_record(client, done.run_id, "prepared_data") is not None
    assert mlflow_registry.read_record(client, done.run_id, "no_such_record") is None
    assert mlflow_registry.read_record(client, "0" * 32, "prepared_data") is None
