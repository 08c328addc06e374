"""``dvc.yaml`` and the stages' own signatures say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rootstock.stages import DETERMINISTIC, experiment_stages, find_stage, producer
from rootstock_flows.commands.init import DVC_TEMPLATE

ROOT = Path(__file__).parents[2]
EXPERIMENT = "${workspace}/experiment"
STAGES_IN_FILE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def test_the_template_of_a_new_project_is_the_same_file():
    ours = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert DVC_TEMPLATE.read_text(encoding="utf-8") == ours, f"run: cp dvc.yaml {DVC_TEMPLATE}"


def test_it_holds_the_deterministic_stages_and_those_that_they_read():
    assert list(STAGES_IN_FILE) == [stage.name for stage in experiment_stages()]
    assert {stage.name for stage in DETERMINISTIC} <= set(STAGES_IN_FILE)


@pytest.mark.parametrize("name", list(STAGES_IN_FILE))
def test_dependencies_are_the_records_that_the_stage_takes(name):
    records = [f"{EXPERIMENT}/{producer(kind).name}/record.json" for kind in find_stage(name).inputs]
    code = [] if find_stage(name).volatile else [f"{EXPERIMENT}/code_version"]
    assert STAGES_IN_FILE[name].get("deps", []) == code + records


@pytest.mark.parametrize("name", list(STAGES_IN_FILE))
def test_params_are_the_sections_that_the_stage_reads(name):
    assert tuple(STAGES_IN_FILE[name]["params"]) == find_stage(name).sections


@pytest.mark.parametrize("name", list(STAGES_IN_FILE))
def test_the_command_is_the_stage_and_its_folder_is_an_output(name):
    assert STAGES_IN_FILE[name]["cmd"] == f"rootstock stage {name}"
    assert f"{EXPERIMENT}/{name}" in STAGES_IN_FILE[name]["outs"]


@pytest.mark.parametrize("name", list(STAGES_IN_FILE))
def test_what_reads_the_outside_world_always_runs(name):
    assert STAGES_IN_FILE[name].get("always_changed", False) is find_stage(name).volatile


@pytest.fixture
def project(tmp_path):
    """A task that ``rootstock init`` made, with a dataset, in a DVC repository; gives a way to call a command there."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def call(*words: str, folder: Path = tmp_path / "colours") -> str:
        return subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

    call("rootstock", "init", "colours", folder=tmp_path)
    shades = {"red": "crimson scarlet ruby rose", "blue": "navy azure cobalt sky"}
    lines = [f"a {shade} thing number {i},{name}" for name, words in shades.items() for shade in words.split() for i in range(8)]
    (tmp_path / "colours.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    call("rootstock", "data", "add", "colours", "../colours.csv")
    call("dvc", "init", "--no-scm", "-q")
    return call


@pytest.mark.slow
def test_a_new_project_runs_a_stage_once_and_again_only_after_its_own_params(project):
    assert "rootstock stage prepare" in project("dvc", "repro", "prepare")
    assert "rootstock stage prepare" not in project("dvc", "repro", "prepare")
    folder = Path(project("pwd").strip())
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("alpha: 16", "alpha: 32"))
    assert "rootstock stage prepare" not in project("dvc", "repro", "prepare")
    params.write_text(params.read_text().replace("seed: 0", "seed: 1"))
    assert "rootstock stage prepare" in project("dvc", "repro", "prepare")
