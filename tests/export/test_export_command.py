from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rootstock.classifier import Classifier
from rootstock.export import formats
from rootstock.export.rows import ComparedRows
from rootstock.files import sha256_of
from rootstock.records import RowsFile
from rootstock_flows.cli import main

PARAMS = Path(__file__).parents[2] / "params.yaml"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text_model: Path, text_rows: ComparedRows) -> Iterator[Path]:
    """A task folder with a model folder and rows; the process is as before when the test ends."""
    shutil.copy(PARAMS, tmp_path / "params.yaml")
    shutil.copytree(text_model, tmp_path / "model")
    pd.DataFrame({"text": text_rows.inputs, "label": text_rows.labels}).to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.chdir(tmp_path)
    before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def call(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run ``rootstock export`` in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rootstock", "export", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.edge
def test_a_model_folder_is_exported_and_the_figures_are_printed(call: Call, project: Path) -> None:
    code, out, err = call("model", "--to", "out", "--format", "onnx", "--rows", "rows.csv")
    assert (code, err) == (0, "")
    first, head, figures, last = out.splitlines()
    assert first.startswith("model, compared on 30 rows, accuracy ")
    assert head.split("  ")[1] == "format"
    assert figures.split()[:2] == ["onnx", "100.0%"]
    assert last == f"written to {project / 'out'}"
    assert sorted(path.name for path in (project / "out").iterdir()) == ["export.json", "onnx"]


@pytest.mark.edge
def test_json_is_the_record_and_nothing_else_stands_on_standard_output(call: Call, project: Path) -> None:
    code, out, _ = call("model", "--to", "out", "--format", "onnx-int8", "--rows", "rows.csv", "--max-loss-points", "100", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((project / "out" / "export.json").read_text(encoding="utf-8"))


@pytest.mark.edge
def test_a_registered_version_is_downloaded_and_compared_on_its_own_test_rows(
    call: Call, project: Path, monkeypatch: pytest.MonkeyPatch, text_rows: ComparedRows
) -> None:
    asked: list[tuple[Any, ...]] = []
    pd.DataFrame({"id": range(30), "input": text_rows.inputs, "label": text_rows.labels}).to_parquet("test.parquet")

    def download(model: str, version: str, *, workspace: str, folder: Path) -> tuple[str, Path]:
        asked.append((model, version, workspace))
        return "7", Path(shutil.copytree("model", folder))

    def find(model: str, version: str, *, workspace: str) -> RowsFile:
        asked.append((model, version, workspace))
        return RowsFile(path="test.parquet", sha256=sha256_of(Path("test.parquet")), rows=30)

    monkeypatch.setattr("rootstock.registration.versions.download_model", download)
    monkeypatch.setattr("rootstock.registration.versions.find_test_rows", find)
    code, out, _ = call("champion", "--to", "out", "--format", "onnx", "--set", "registration.model=topics", "--json")
    assert code == 0
    assert asked == [("topics", "champion", ".rootstock"), ("topics", "7", ".rootstock")]
    record = json.loads(out)
    assert (record["model"], record["version"], record["rows_path"], record["rows"]) == ("topics", "7", "test.parquet", 30)


@pytest.mark.edge
def test_a_file_that_is_not_the_tested_model_ends_with_1_in_one_line_and_writes_nothing(
    call: Call, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = formats.FORMATS["onnx"].write

    def other_model(classifier: Classifier, folder: Path) -> None:
        classifier.head.weight[:] = classifier.head.weight[[2, 0, 1]]
        write(classifier, folder)

    planted = formats.Format(other_model, needs=(), is_exact=True)
    monkeypatch.setattr(formats, "FORMATS", {"onnx": planted})
    code, out, err = call("model", "--to", "out", "--format", "onnx", "--rows", "rows.csv")
    assert (code, out) == (1, "")
    [line] = err.splitlines()
    assert line.startswith("error: onnx: expected the tested model's label")
    assert sorted(path.name for path in project.iterdir()) == ["model", "params.yaml", "rows.csv"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("model", "--to", "out"), ["expected rows to compare on", "--rows FILE"]),
        (("model", "--to", "out", "--rows", "none.csv"), ["none.csv"]),
        (("model", "--to", "model/out", "--rows", "rows.csv"), ["one inside the other"]),
        (("model", "--to", ".", "--rows", "rows.csv"), ["one inside the other"]),
        (("model", "--to", "rows.csv", "--rows", "rows.csv"), ["rows.csv", "found a file"]),
        (("model", "--to", "out", "--format", "onxx", "--rows", "rows.csv"), ["'onxx'", "did you mean 'onnx'"]),
        (("model", "--rows", "rows.csv"), ["--to"]),
        (("model", "--to", "out", "--max-loss-points", "-1"), ["--max-loss-points"]),
    ],
)
def test_bad_calls_are_one_line_and_write_nothing(call: Call, project: Path, arguments: tuple[str, ...], named: list[str]) -> None:
    before = sorted(project.rglob("*"))
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert [word for word in named if word not in line] == []
    assert sorted(project.rglob("*")) == before
