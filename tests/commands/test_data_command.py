"""``rootstock data`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from rootstock.data import demo_docs
from rootstock.data.demo_topics import PYTHON, SCIENCE
from rootstock.errors import DataError, InputError
from rootstock_flows.commands.data import command

ROWS = "text,label\nfirst,a\nsecond,a\nthird,b\nfourth,b\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    source = Path(__file__).parents[2] / "params.yaml"
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "params.yaml").write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "task" / "rows.csv").write_text(ROWS)
    monkeypatch.chdir(tmp_path / "task")
    return tmp_path / "task"


def call(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_adding_twice_says_that_nothing_was_made(project):
    assert "news/v1" in call("add", "news", "rows.csv")
    assert "no new version" in call("add", "news", "rows.csv")
    assert len(json.loads(call("list", "--json"))["versions"]) == 1


def test_a_path_counts_from_where_the_command_was_called(project, monkeypatch):
    monkeypatch.chdir(project.parent)
    Path("here.csv").write_text(ROWS)
    assert json.loads(call("add", "news", "here.csv", "--params", "task/params.yaml", "--json"))["new"] is True


def test_the_card_in_the_list_names_origin_and_licence(project):
    call("add", "news", "rows.csv", "--licence", "cc0-1.0")
    card = json.loads(call("list", "--json"))["versions"][0]["card"]
    assert (card["origin"], card["licence"], card["rows"]) == ("rows.csv", "CC0-1.0", 4)
    assert len(card["origin_sha256"]) == 64
    assert "(CC0-1.0)" in call("list")


def test_a_licence_that_is_none_is_refused_before_anything_is_made(project):
    with pytest.raises(InputError, match="found 'CC0'"):
        call("add", "news", "rows.csv", "--licence", "CC0")
    assert not (project / ".rootstock" / "data").exists()


def test_the_list_says_where_no_licence_is_stated(project):
    call("add", "news", "rows.csv")
    assert "(licence not stated)" in call("list")


def test_diff_counts_rows(project):
    call("add", "news", "rows.csv")
    (project / "rows.csv").write_text(ROWS + "fifth,b\n")
    call("add", "news", "rows.csv")
    assert "1 rows added, 0 removed" in call("diff", "news/v1", "news")
    assert json.loads(call("diff", "news/v1", "news", "--json"))["counts_after"] == {"a": 2, "b": 3}


def test_diff_counts_the_rows_whose_kept_columns_changed(project):
    keep = ("--set", "data.columns.keep=[region]")
    for region in ("north", "south"):
        (project / "rows.csv").write_text(f"text,label,region\nfirst,a,{region}\nsecond,a,{region}\nthird,b,east\nfourth,b,\n")
        call("add", "news", "rows.csv", *keep)
    said = call("diff", "news/v1", "news")
    assert "0 relabelled, 0 rewritten, 2 with other kept columns" in said
    assert "column region: 2 rows changed" in said
    assert "region 'north' -> 'south'" in said
    document = json.loads(call("diff", "news/v1", "news", "--json"))
    assert [(change["column"], change["after"]) for change in document["kept"]] == [("region", "south")] * 2


def test_a_bad_file_makes_no_registry(project):
    (project / "rows.csv").write_text("text,label\n,a\n")
    with pytest.raises(DataError, match="row 1"):
        call("add", "news", "rows.csv")
    assert not (project / ".rootstock" / "data").exists()


def test_broken_images_make_no_registry(project):
    from PIL import Image

    for label in ("cat", "dog"):
        folder = project / "pictures" / label
        folder.mkdir(parents=True)
        Image.new("L", (4, 4), len(label)).save(folder / "whole.png")
        (folder / "broken.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"found 2 of 4 that cannot be decoded: cat/broken.png \(0 bytes\)"):
        call("add", "pets", "pictures", "--set", "data.modality={name: image, side: 32}")
    assert not (project / ".rootstock" / "data").exists()


def test_the_demo_is_added_once_and_grows_with_arrivals(project, monkeypatch):
    monkeypatch.setattr(demo_docs, "SCIENCE", {"numpy-docs": SCIENCE["numpy-docs"]})
    monkeypatch.setattr(demo_docs, "PYTHON", {"python-docs": {"dates and times": PYTHON["python-docs"]["dates and times"]}})
    monkeypatch.setattr(demo_docs, "TARGET", "numpy-docs")
    first = json.loads(call("demo", "--arrived", "0.6", "--json"))["datasets"]
    assert [(row["revision"], row["new"]) for row in first] == [("numpy-docs/v1", True), ("python-docs/v1", True)]
    assert not any(row["new"] for row in json.loads(call("demo", "--arrived", "0.6", "--json"))["datasets"])
    later = json.loads(call("demo", "--json"))["datasets"]
    assert [(row["revision"], row["new"]) for row in later] == [("numpy-docs/v2", True), ("python-docs/v1", False)]


def test_the_image_demo_holds_both_digit_sets(project):
    added = json.loads(call("demo", "--images", "--json"))["datasets"]
    assert [row["revision"] for row in added] == ["handwritten-digits/v1", "printed-digits/v1"]
