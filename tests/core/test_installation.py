"""What computes, by version and hash."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from rootstock.export.loader import onnx_model
from rootstock.files import sha256_of
from rootstock.installation import code_parts, code_version, differences, environment, threads


def test_the_code_is_named_by_its_source_and_the_libraries_that_compute():
    parts = code_parts()
    assert len(parts["rootstock"]) == 64
    assert {"torch", "numpy", "peft"} <= set(parts)
    assert len(code_version()) == 64


def test_the_environment_is_the_same_when_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = environment()
    assert found == environment()
    assert found["lock"] == "none"
    assert all(isinstance(value, str) and value for value in found.values())


def test_a_lock_file_in_the_project_folder_is_named_by_its_hash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "requirements.lock").write_text("torch==2.13.0\n", encoding="utf-8")
    assert environment()["lock"] == sha256_of(tmp_path / "requirements.lock")


def test_the_number_of_threads_is_part_of_it(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment()["threads"] == "3"


@pytest.mark.parametrize(("given", "found"), [("3", 3), ("4,2", 4), ("", os.cpu_count()), ("0", os.cpu_count())])
def test_threads_are_those_the_environment_gives_or_all_cores(monkeypatch, given, found):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads() == found


@pytest.mark.parametrize(("given", "found"), [("3", 3), ("", 0)])
def test_an_exported_graph_reads_the_threads_as_everything_else_does(monkeypatch, given, found):
    options = SimpleNamespace()
    fake = SimpleNamespace(SessionOptions=lambda: options, InferenceSession=lambda *asked, providers: None)
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    onnx_model(Path("export"))
    assert options.intra_op_num_threads == found


def test_differences_name_what_changed_what_is_new_and_what_is_gone_and_shorten_hashes_only():
    before = {"python": "3.11.7", "lock": "a" * 64, "gone": "1", "same": "x"}
    now = {"python": "3.12.0", "lock": "b" * 64, "same": "x", "new": "2"}
    assert list(differences(before, now)) == [
        "python: 3.11.7 then, 3.12.0 now",
        "lock: aaaaaaaaaaaa then, bbbbbbbbbbbb now",
        "gone: 1 then, none now",
        "new: none then, 2 now",
    ]


def test_equal_places_do_not_differ():
    assert list(differences(environment(), environment())) == []
