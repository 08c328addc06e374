"""``rootstock init`` writes the repository's own params.yaml with other names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from rootstock.errors import InputError
from rootstock_flows.commands.init import IMAGE_TEMPLATE, OWN_BACKBONE, TEMPLATE, command, params_for

PARAMS = Path(__file__).parents[2] / "params.yaml"
IMAGE_PARAMS = PARAMS.with_name("params-images.yaml")
TEMPLATES = pytest.mark.parametrize("file", [PARAMS, IMAGE_PARAMS], ids=["texts", "images"])


@pytest.mark.parametrize(("template", "file"), [(TEMPLATE, PARAMS), (IMAGE_TEMPLATE, IMAGE_PARAMS)], ids=["texts", "images"])
def test_the_template_is_the_repositorys_params_file(template, file):
    assert template.read_text(encoding="utf-8") == file.read_text(encoding="utf-8"), f"run: cp {file.name} {template}"


@TEMPLATES
def test_only_names_sources_and_that_all_labels_count_differ_from_the_template(file):
    written = yaml.safe_load(params_for("news", file.read_text(encoding="utf-8")))
    expected = yaml.safe_load(file.read_text(encoding="utf-8"))
    expected["task"] = expected["data"]["target"] = "news"
    expected["registration"] |= {"model": "news", "experiment": "news"}
    expected["data"] |= {"sources": [], "labelled_rows_per_class": None}
    if file == IMAGE_PARAMS:
        expected["backbone"]["name"] = OWN_BACKBONE
    assert written == expected


@TEMPLATES
def test_every_comment_is_kept(file):
    template = file.read_text(encoding="utf-8")
    written = params_for("news", template)
    assert len(written.splitlines()) == len(template.splitlines())
    assert {line.partition(" # ")[2] for line in template.splitlines()} <= {
        line.partition(" # ")[2] for line in written.splitlines()
    }


@pytest.mark.parametrize(("options", "modality"), [([], "text"), (["--images"], "image")], ids=["texts", "images"])
def test_the_written_file_is_valid(tmp_path, monkeypatch, options, modality):
    from rootstock.params import load_params

    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["news", *options], catch_exceptions=False)
    assert "rootstock data add news PATH" in done.stdout
    assert ("rootstock pretrain my-source --to .rootstock/backbones/own" in done.stdout) == (modality == "image")
    params = load_params(tmp_path / "news" / "params.yaml")
    assert (params.task, params.data.modality.name) == ("news", modality)


@pytest.mark.parametrize("name", ["2024", "2024-13-45", "1.5", "yes", "null"])
def test_a_name_that_yaml_reads_as_something_else_is_written_as_a_text(name, tmp_path, monkeypatch):
    from rootstock.params import load_params

    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(command, [name], catch_exceptions=False)
    params = load_params(tmp_path / name / "params.yaml")
    assert {params.task, params.data.target, params.registration.model, params.registration.experiment} == {name}


def test_the_next_steps_can_be_pasted_where_the_folder_has_blanks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "cd 'my tasks/news'" in CliRunner().invoke(command, ["my tasks/news"], catch_exceptions=False).stdout


def test_json_names_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert json.loads(CliRunner().invoke(command, ["news", "--json"]).stdout)["params"] == "news/params.yaml"


def test_an_existing_folder_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "news").mkdir()
    with pytest.raises(InputError, match="that is free"):
        CliRunner().invoke(command, ["news"], catch_exceptions=False)
    assert list((tmp_path / "news").iterdir()) == []


def test_a_name_with_blanks_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="letters"):
        CliRunner().invoke(command, ["my task"], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
