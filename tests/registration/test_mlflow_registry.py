from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rootstock.errors import InputError, ServiceError, StorageError
from rootstock.registration import mlflow_registry
from rootstock.registration.mlflow_registry import find_aliases, find_experiment, log_report, start_run, tracking


def test_an_unset_uri_means_a_database_in_the_workspace_and_stays_unset(workspace: str, project: Path) -> None:
    client = tracking(workspace)
    assert client.tracking_uri == f"sqlite:///{project}/.rootstock/mlflow.db"
    assert "MLFLOW_TRACKING_URI" not in os.environ


def test_two_workspaces_in_one_process_do_not_mix(workspace: str, migrated_store: Path) -> None:
    Path("second").mkdir()
    shutil.copy(migrated_store, "second/mlflow.db")
    for name in (workspace, "second"):
        find_experiment(tracking(name), f"only in {name}", name)
    assert tracking(workspace).get_experiment_by_name("only in second") is None


def test_a_uri_that_is_set_wins(project: Path, migrated_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(migrated_store, "elsewhere.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/elsewhere.db")
    assert tracking("unused").tracking_uri == f"sqlite:///{project}/elsewhere.db"
    assert not Path("unused").exists()


def test_artifacts_lie_in_the_workspace_by_absolute_path(workspace: str, project: Path) -> None:
    client = tracking(workspace)
    found = client.get_experiment(find_experiment(client, "e", workspace))
    assert found.artifact_location == f"{project}/.rootstock/mlartifacts"
    assert find_experiment(client, "e", workspace) == found.experiment_id


def test_a_deleted_experiment_is_an_error_that_says_how_to_restore_it(workspace: str) -> None:
    client = tracking(workspace)
    client.delete_experiment(find_experiment(client, "e", workspace))
    with pytest.raises(InputError, match="mlflow experiments restore"):
        find_experiment(client, "e", workspace)


def test_a_server_that_does_not_answer_is_not_a_missing_champion(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError, match=r"MLflow at http://127.0.0.1:9 could not read model 'm'"):
        find_aliases(tracking("unused"), "m")


def test_a_database_whose_making_was_killed_is_made_anew(project: Path) -> None:
    killed = (
        "import os, sqlite3\nfrom unittest import mock\nimport mlflow\nfrom rootstock.registration import mlflow_registry\n\n"
        "def begin(tracking_uri):\n    base = sqlite3.connect('new/mlflow.db')\n"
        "    base.execute('CREATE TABLE experiments (experiment_id INTEGER)')\n    base.commit()\n    os._exit(9)\n\n"
        "with mock.patch.object(mlflow, 'MlflowClient', begin):\n    mlflow_registry.tracking('new')\n"
    )
    assert subprocess.run([sys.executable, "-c", killed], cwd=project, check=False).returncode == 9
    assert Path("new/mlflow.db").is_file()
    assert find_aliases(tracking("new"), "m") == {}
    assert not Path("new/mlflow.db.begun").exists()


def test_a_broken_database_is_not_a_missing_champion(workspace: str) -> None:
    client = tracking(workspace)
    assert find_aliases(client, "m") == {}
    Path(workspace, "mlflow.db").write_bytes(b"not a database" * 500)
    with pytest.raises(ServiceError, match="could not"):
        find_aliases(tracking(workspace), "m")


def test_the_password_in_a_uri_is_not_printed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError) as caught:
        find_aliases(tracking("unused"), "m")
    assert "secret" not in str(caught.value)


def test_one_key_has_one_run(workspace: str) -> None:
    client = tracking(workspace)
    experiment = find_experiment(client, "e", workspace)
    first = start_run(client, experiment, name="task", run_key="a1")
    assert start_run(client, experiment, name="task", run_key="a1") == first
    assert start_run(client, experiment, name="task", run_key="b2") != first


def test_a_report_is_kept_with_its_run_and_a_missing_one_is_an_error(workspace: str) -> None:
    client = tracking(workspace)
    run = start_run(client, find_experiment(client, "e", workspace), name="task", run_key="a1")
    Path("report.html").write_text("<p>", encoding="utf-8")
    log_report(run, Path("report.html"), workspace=workspace)
    assert [item.path for item in client.list_artifacts(run, "report")] == ["report/report.html"]
    with pytest.raises(InputError, match="expected a report, found nothing"):
        log_report(run, Path("absent.html"), workspace=workspace)


def test_a_registered_model_requires_the_distribution_of_this_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == mlflow_registry.DISTRIBUTION


def test_mlflow_is_imported_in_one_file_of_the_package() -> None:
    package = Path(mlflow_registry.__file__).parent
    imports = re.compile(r"^\s*(import|from) mlflow\b", re.MULTILINE)
    having = [path.name for path in package.glob("*.py") if imports.search(path.read_text(encoding="utf-8"))]
    assert having == ["mlflow_registry.py"]


def test_a_file_where_the_workspace_should_be_is_told_in_one_line(project: Path) -> None:
    (project / "taken").write_text("x", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot write taken: File exists"):
        tracking("taken")
