"""``rootstock doctor``: each look finds what it is for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from rootstock.errors import InputError
from rootstock.params import ComputeParams, StageCompute, load_params
from rootstock_flows import doctor, in_processes
from rootstock_flows.commands.doctor import command
from rootstock_flows.environment import PRIVACY

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params(tmp_path, monkeypatch):
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in PRIVACY.items():
        monkeypatch.setenv(name, value)
    return load_params(Path("params.yaml"))


def test_installed_versions_are_within_the_bounds(params):
    assert doctor.versions(params).fine


def test_a_version_out_of_bounds_is_named(params, monkeypatch):
    monkeypatch.setattr(doctor.importlib.metadata, "version", lambda name: "99.0")
    found = doctor.versions(params)
    assert not found.fine
    assert "prefect 99.0, expected" in found.found


def test_telemetry_that_is_on_is_named(params, monkeypatch):
    assert doctor.opt_outs(params).fine
    monkeypatch.setenv("DVC_NO_ANALYTICS", "0")
    assert "DVC_NO_ANALYTICS=0" in doctor.opt_outs(params).found


def test_a_registry_that_is_not_there_is_a_fault(params):
    assert not doctor.data_registry(params).fine


def test_the_packaged_backbone_is_found_with_its_hash(params):
    assert "sha256" in doctor.backbone(params).found


def test_a_backbone_folder_that_is_not_there_is_a_fault(params):
    elsewhere = params.model_copy(update={"backbone": params.backbone.model_copy(update={"name": "./nowhere"})})
    assert not doctor.backbone(elsewhere).fine


def test_without_urls_the_services_are_embedded(params):
    assert "embedded" in doctor.prefect_server(params).found
    assert "embedded" in doctor.mlflow_server(params).found


def test_training_in_process_needs_no_pool(params):
    assert "own process" in doctor.work_pool(params).found


def test_a_pool_without_a_server_is_a_fault(params):
    pooled = params.model_copy(update={"compute": ComputeParams(finetuning=StageCompute(work_pool="gpu", processes=1))})
    found = doctor.work_pool(pooled)
    assert not found.fine
    assert "found no PREFECT_API_URL" in found.found


@pytest.mark.parametrize(
    ("gpus", "fine", "said"), [(0, True, "3 train together, on the CPU"), (4, True, "a GPU each"), (2, False, "at most 2")]
)
def test_more_training_processes_than_gpus_are_a_fault(params, monkeypatch, gpus, fine, said):
    monkeypatch.setattr(in_processes, "gpus_here", lambda: gpus)
    several = params.model_copy(update={"compute": ComputeParams(finetuning=StageCompute(work_pool=None, processes=3))})
    found = doctor.training_processes(several)
    assert found.fine == fine
    assert said in found.found


def test_processes_on_a_worker_are_no_matter_of_this_machine(params, monkeypatch):
    monkeypatch.setattr(in_processes, "gpus_here", lambda: 2)
    pooled = params.model_copy(update={"compute": ComputeParams(finetuning=StageCompute(work_pool="gpu", processes=3))})
    assert doctor.training_processes(pooled).fine


def test_a_server_that_does_not_answer_is_a_fault_and_its_password_is_not_shown(params, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@127.0.0.1:9")
    found = doctor.mlflow_server(params)
    assert not found.fine
    assert "secret" not in found.found


def test_a_url_that_cannot_be_read_is_a_fault_and_ends_no_look(params, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://name:secret@[::bad/")
    found = doctor.mlflow_server(params)
    assert not found.fine
    assert "secret" not in found.found


def test_a_full_disk_is_a_fault(params, monkeypatch):
    monkeypatch.setattr(doctor, "FREE_GIB", 1e9)
    assert not doctor.disk(params).fine


def test_json_lists_every_finding_and_a_fault_ends_with_code_2(params):
    done = CliRunner().invoke(command, ["--json"])
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    document = json.loads(done.stdout)
    assert document["fine"] is False
    assert [each["subject"] for each in document["findings"] if not each["fine"]] == ["data"]
