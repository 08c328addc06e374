"""``rootstock promote`` and ``rootstock rollback`` as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rootstock.registration import load_check, mlflow_registry
from rootstock_flows.cli import main

PARAMS = Path(__file__).parents[2] / "params.yaml"
MODEL = "scientific-docs"
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which three versions are registered: two passed, the last did not."""
    folder = tmp_path_factory.mktemp("registry")
    client = mlflow_registry.tracking(str(folder))
    client.create_registered_model(MODEL)
    for verdict in ("pass", "pass", "inconclusive"):
        client.create_model_version(MODEL, "somewhere/else", tags={"rootstock.verdict": verdict})
    return folder


@pytest.fixture
def call(tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Run a command in a task folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(PARAMS, "params.yaml")
    shutil.copytree(registry, ".rootstock")
    monkeypatch.setattr(load_check, "check_loads", lambda *args, **kwargs: None)
    before, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, reason: str = "r") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rootstock", *arguments, "--reason", reason])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capfd.readouterr()
        return code, said.out, said.err

    yield run
    signal.signal(signal.SIGTERM, handler)
    os.environ.clear()
    os.environ.update(before)


def answer(said: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = said
    assert (code, err) == (0, "")
    document: dict[str, Any] = json.loads(out)
    return document


def test_promotion_and_rollback_answer_in_one_document(call: Call) -> None:
    assert answer(call("promote", "1", "--json")) == {"before": None, "champion": "1", "reason": "r", "entry": 1}
    assert answer(call("promote", "2", "--expect", "1", "--json")) == {"before": "1", "champion": "2", "reason": "r", "entry": 3}
    assert answer(call("rollback", "--json")) == {"before": "2", "champion": "1", "reason": "r", "entry": 5}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("2", "--expect", "7"), 1, "expected version 7 to be champion, found no champion"),
        (("3",), 1, "rootstock promote 3 --override --reason ..."),
        (("1", "--override"), 2, "leave --override out"),
        (("1", "--approve"), 2, "expected --by NAME"),
        (("3", "--override", "--rebaseline"), 2, "expected one of --approve, --override and --rebaseline, found 2"),
        (("9",), 2, "unknown version or alias of model 'scientific-docs' '9'"),
    ],
)
def test_what_is_refused_is_one_line_with_its_exit_code_and_leaves_no_trace(
    arguments: tuple[str, ...], code: int, said: str, call: Call
) -> None:
    found, out, err = call("promote", *arguments)
    assert (found, out) == (code, "")
    (line,) = err.splitlines()
    assert said in line
    assert not list(Path(".rootstock").glob("journal/0*.json"))


@pytest.mark.parametrize("command", [("promote", "1", "--override"), ("promote", "1"), ("rollback",)], ids=" ".join)
def test_a_blank_reason_is_none(command: tuple[str, ...], call: Call) -> None:
    code, out, err = call(*command, reason=" ")
    assert (code, out) == (2, "")
    assert err == "error: expected --reason TEXT, which the journal keeps, found none; say why\n"


def test_an_alias_moved_by_plain_mlflow_calls_is_reported_by_the_next_command(call: Call) -> None:
    call("promote", "1")
    call("promote", "2")
    mlflow_registry.set_alias(mlflow_registry.tracking(".rootstock"), MODEL, "champion", "3")
    code, out, err = call("promote", "2", "--expect", "3")
    assert (code, out.split(";")[0]) == (0, "champion: version 2 (before: 3)")
    assert "warning: model 'scientific-docs': an alias was moved by something else than Rootstock: champion from 2 to 3" in err
