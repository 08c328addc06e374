"""Wrong input through the command line: one line that says where and what to do, exit code 2, nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rootstock_flows.cli import main

PARAMS = Path(__file__).parents[2] / "params.yaml"
GOOD = "text,label\nfirst one,a\nsecond one,a\nthird one,b\nfourth one,b\n"
ADD = ("data", "add", "news", "rows.csv")

#: What is wrong -> the rows file, more arguments, what the line must name.
BAD_ROWS = {
    "an empty file": ("", (), ["rows.csv", "empty file"]),
    "a header alone": ("text,label\n", (), ["rows.csv", "found none"]),
    "a missing column": ("txt,label\nfirst,a\n", (), ["rows.csv", "column 'text'", "txt"]),
    "one class only": ("text,label\none,a\ntwo,a\n", (), ["rows.csv", "two labels", "'a'"]),
    "a class with one row": (GOOD + "fifth one,c\n", (), ["rows.csv", "'c'", "row 5 (line 6)"]),
    "labels that differ only in case": (GOOD + "fifth one,A\n", (), ["rows.csv", "'A'", "'a'", "row 5 (line 6)"]),
    "labels that differ only in blanks": (GOOD + "fifth one,a \n", (), ["rows.csv", "'a '", "'a'", "row 5 (line 6)"]),
    "no text": (GOOD + ",b\n", (), ["rows.csv", "column 'text'", "row 5 (line 6)"]),
    "bytes that are not UTF-8": (GOOD.encode() + b"caf\xe9,b\n", (), ["rows.csv", "0xe9", "line 6"]),
    "a text of 1 MB": (GOOD + "x" * 1_000_000 + ",b\n", (), ["rows.csv", "1,000,000", "row 5 (line 6)", "data.max_characters"]),
    "an id twice": (
        "id,text,label\n7,first,a\n8,second,a\n7,third,b\n9,fourth,b\n",
        ("--set", "data.columns.id=id"),
        ["rows.csv", "'7'", "row 1 (line 2)", "row 3 (line 4)"],
    ),
    "test rows inside train": (
        "text,label,split\nfirst,a,train\nsecond,a,test\nthird,b,train\nFIRST ,a,test\nfifth,b,test\n",
        ("--set", "data.columns.split=split"),
        ["rows.csv", "row 1 (line 2)", "row 4 (line 5)"],
    ),
}

#: What is wrong -> arguments, what the line must name.
BAD_CALLS = {
    "an unknown command": (("rum",), ["unknown command 'rum'", "did you mean 'run'"]),
    "a story where nothing was decided": (("explain",), ["expected a decision in the journal", "'rootstock run' makes one"]),
    "a version to make again where there is none": (("reproduce", "7"), ["expected a decision in the journal"]),
    "a list of nothing": (("history", "--limit", "0"), ["--limit", "0"]),
    "an unknown option": (("run", "--forse"), ["--forse"]),
    "a missing params file": (("run", "--params", "other.yaml"), ["other.yaml", "rootstock init"]),
    "an unknown key": (("run", "--set", "data.tarjet=x"), ["data", "tarjet", "did you mean 'target'"]),
    "a misspelt part": (("run", "--set", "data.modality.name=txt"), ["data.modality", "txt", "did you mean 'text'"]),
    "a misspelt part in a list": (("run", "--set", "gates.panel.0.name=flor"), ["gates.panel[0]", "did you mean 'floor'"]),
    "a wrong type": (("run", "--set", "similarity.folds=many"), ["similarity.folds", "integer", "'many'"]),
    "a value out of range": (("run", "--set", "data.test_fraction=1.5"), ["data.test_fraction", "1.5"]),
    "an override without a value": (("run", "--set", "seed"), ["--set seed", "KEY.PATH=VALUE"]),
    "a missing data file": (("data", "add", "news", "nowhere.csv"), ["nowhere.csv", "found nothing"]),
    "a data file of an unknown kind": (("data", "add", "news", "params.yaml"), ["params.yaml", ".csv"]),
    "a backbone that is not there": (("run", "--set", "backbone.name=./nowhere"), ["backbone ./nowhere", "config.json"]),
    "a backbone package that is not there": (("run", "--set", "backbone.name=package:nowhere/model"), ["'nowhere'", "install it"]),
    "a pickled backbone": (("run", "--set", "backbone.name=./pickled"), ["pytorch_model.bin", "pickled", "safetensors"]),
    "a backbone without weights": (("run", "--set", "backbone.name=./hollow"), ["hollow", "no weights"]),
    "no registry": (("data", "list"), ["data registry", "rootstock data add"]),
    "an unknown stage": (("stage", "finetun"), ["finetun", "did you mean 'finetune'"]),
    "an experiment that would promote its model": (("stage", "register"), ["found register", "'rootstock run'"]),
}  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A task folder to call commands in; the process is as before when the test ends."""
    (tmp_path / "params.yaml").write_text(PARAMS.read_text(encoding="utf-8"), encoding="utf-8")
    for name, weights in (("pickled", "pytorch_model.bin"), ("hollow", "notes.txt")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / weights).write_bytes(b"\x80\x04.")
    monkeypatch.chdir(tmp_path)
    before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def call(project, monkeypatch, capfd):
    """Run a command in this process: exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rootstock", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def files(folder: Path) -> dict[str, bytes]:
    """Every file and folder, but for git's and DVC's own books."""
    kept = (path for path in sorted(folder.rglob("*")) if not {".git", ".dvc"} & set(path.parts))
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in kept}


def check_refusal(answer, named):
    code, out, err = answer
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("error: ")
    assert [word for word in named if word not in line] == []


@pytest.mark.parametrize("case", BAD_ROWS)
def test_rows_that_cannot_be_learned_from(case, call, project):
    content, arguments, named = BAD_ROWS[case]
    (project / "rows.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = files(project)
    check_refusal(call(*ADD, *arguments), named)
    assert files(project) == before


@pytest.mark.parametrize("case", BAD_CALLS)
def test_calls_that_cannot_be_carried_out(case, call, project):
    arguments, named = BAD_CALLS[case]
    before = files(project)
    check_refusal(call(*arguments), named)
    assert files(project) == before


def test_a_text_that_is_not_a_number_is_refused(call, project):
    (project / "rows.jsonl").write_text('{"text": "one", "label": "a"}\n{"text": NaN, "label": "a"}\n')
    check_refusal(call("data", "add", "news", "rows.jsonl"), ["rows.jsonl", "row 2 (line 2)", "column 'text'"])


def test_an_unknown_key_in_the_file_is_named_with_its_path(call, project):
    raw = yaml.safe_load((project / "params.yaml").read_text())
    raw["evaluation"]["confidense"] = 0.9
    (project / "params.yaml").write_text(yaml.safe_dump(raw))
    check_refusal(call("run"), ["params.yaml: evaluation.confidense", "did you mean 'confidence'"])


def test_a_file_that_is_no_yaml_is_named_with_its_line(call, project):
    (project / "params.yaml").write_text("task: a\ndata: [\n")
    check_refusal(call("run"), ["params.yaml", "line", "YAML"])


def test_a_registry_with_uncommitted_changes_is_left_alone(call, project):
    (project / "rows.csv").write_text(GOOD)
    assert call(*ADD)[0] == 0
    registry = project / ".rootstock" / "data"
    (registry / "notes.txt").write_text("mine")
    (project / "rows.csv").write_text(GOOD + "fifth one,b\n")
    before = files(project)
    check_refusal(call(*ADD), ["notes.txt", "uncommitted", "stash"])
    assert files(project) == before


def test_a_full_disk_leaves_the_registry_as_it_was(call, project, monkeypatch):
    (project / "rows.csv").write_text(GOOD)
    assert call(*ADD)[0] == 0
    (project / "rows.csv").write_text(GOOD + "fifth one,b\n")
    before = files(project)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr("rootstock.files.os.fsync", full)
        check_refusal(call(*ADD), ["No space left on device", "run the same command again"])
    assert files(project) == before
    code, out, _ = call(*ADD)
    assert (code, "news/v2" in out) == (0, True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=["full", "read-only", "not permitted"])
def test_what_the_disk_refuses_anywhere_is_one_line(call, monkeypatch, number):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), ".rootstock/report.html")

    monkeypatch.setattr("rootstock_flows.cli.command_line.main", refuse)
    check_refusal(call("history"), [".rootstock/report.html", os.strerror(number), "run the same command again"])


def test_a_fault_of_the_program_is_not_said_to_be_the_disk(call, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ECHILD, "no child processes")

    monkeypatch.setattr("rootstock_flows.cli.command_line.main", fail)
    code, _, err = call("history")
    assert code == 4
    assert "a fault of Rootstock itself: ChildProcessError" in err


def test_a_fresh_process_prints_no_traceback_either(project):
    code = "from rootstock_flows.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "run", "--set", "seed=x"], capture_output=True, text=True, check=False)
    check_refusal((done.returncode, done.stdout, done.stderr), ["seed", "'x'"])


@pytest.mark.parametrize("case", ["an unknown command", "an unknown option", "an unknown key", "no registry"])
def test_an_error_is_the_one_document_of_json(case, call):
    arguments, named = BAD_CALLS[case]
    code, out, err = call(*arguments, "--json")
    document = json.loads(out)
    assert (code, document["exit_code"]) == (2, 2)
    assert f"error: {document['error']}\n" == err
    assert [word for word in named if word not in document["error"]] == []


def test_an_error_after_the_answer_adds_no_second_document(call):
    code, out, err = call("doctor", "--json")
    assert (code, json.loads(out)["fine"]) == (2, False)
    assert "checks failed" in err


def test_a_fault_of_the_program_is_told_from_a_check_that_said_no(call, monkeypatch):
    monkeypatch.setattr("rootstock.params.load_params", lambda *_: 1 // 0)
    code, out, err = call("params", "--json")
    assert (code, json.loads(out)["exit_code"]) == (4, 4)
    assert "Traceback" in err
    assert "a fault of Rootstock itself: ZeroDivisionError" in err.splitlines()[-1]


def test_what_belongs_to_another_user_is_one_line(call, monkeypatch):
    def closed(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), ".rootstock/journal")

    monkeypatch.setattr("rootstock.params.load_params", closed)
    check_refusal(call("history"), [".rootstock/journal", "Permission denied"])


@pytest.mark.parametrize("arguments", [(), ("data",)], ids=["no command", "no command of a group"])
def test_no_command_is_answered_with_the_help(arguments, call):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: rootstock")


def start(*arguments: str, **settings: object) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own."""
    code = "from rootstock_flows.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, check=False, **settings)  # type: ignore[call-overload,no-any-return]


def test_names_that_the_locale_has_no_letters_for_are_escaped(project):
    arguments = ("params", "--set", "data.renamed_labels={船: é}")
    latin = os.environ | {"PYTHONIOENCODING": "latin-1"}
    said, document = (start(*arguments, *more, env=latin, stdout=subprocess.PIPE) for more in ((), ("--json",)))
    assert (said.returncode, document.returncode) == (0, 0), said.stderr + document.stderr
    assert b'"\\u8239": "\xe9"' in said.stdout
    assert json.loads(document.stdout)["data"]["renamed_labels"] == {"船": "é"}


def test_a_reader_that_has_gone_is_no_refusal(project):
    reading, writing = os.pipe()
    os.close(reading)
    done = start("parts", stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_number_that_json_has_no_word_for_is_null(capsys):
    from rootstock_flows.session import emit

    emit({"loss": float("nan"), "rows": [float("inf"), 1.5]}, as_json=True, text="")
    assert json.loads(capsys.readouterr().out) == {"loss": None, "rows": [None, 1.5]}
