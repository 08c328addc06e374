"""What computes, by version and hash."""

from __future__ import annotations

from rootstock.files import sha256_of
from rootstock.installation import code_parts, code_version, differences, environment


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
