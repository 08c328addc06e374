from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rootstock import journal
from rootstock.errors import DataError
from rootstock.journal import GENESIS, HeadMoved, append, head, head_sha256, newest_first, read_journal, verify_journal, write_once


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace with a journal of five entries."""
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        append("w", "drift", {"window": number}, after=number)
    return "w"


def rewrite(number: int, **changed: object) -> Path:
    path = Path(f"w/journal/{number:06d}.json")
    content = json.loads(path.read_text(encoding="utf-8")) | changed
    path.chmod(0o644)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def test_an_empty_journal_has_head_zero_and_nothing_wrong(tmp_path: Path) -> None:
    assert head(str(tmp_path)) == 0
    assert head_sha256(str(tmp_path)) == GENESIS
    assert read_journal(str(tmp_path)) == verify_journal(str(tmp_path)) == ()


def test_entries_come_back_in_order_and_each_names_the_one_before(workspace: str) -> None:
    entries = read_journal(workspace)
    assert [entry.facts["window"] for entry in entries] == [0, 1, 2, 3, 4]
    assert entries[0].previous_sha256 == GENESIS
    assert list(newest_first(workspace)) == list(reversed(entries))
    assert verify_journal(workspace) == ()


def test_an_append_after_an_entry_that_is_no_longer_the_last_writes_nothing(workspace: str) -> None:
    before = os.listdir("w/journal")
    with pytest.raises(HeadMoved, match="expected entry 4 to be the last, found 5"):
        append(workspace, "drift", {}, after=4)
    assert os.listdir("w/journal") == before


def test_an_entry_is_read_only(workspace: str) -> None:
    assert Path("w/journal/000001.json").stat().st_mode & 0o222 == 0


RACE = """
import os, sys
from rootstock.journal import HeadMoved, append
sys.stdin.readline()
for n in range(int(sys.argv[2])):
    try:
        append("w", "race", {"who": os.getpid(), "n": n}, after=None if sys.argv[1] == "any" else 5)
        print("wrote")
    except HeadMoved:
        print("moved")
"""


def race(how: str, *, processes: int, times: int) -> list[str]:
    command = [sys.executable, "-c", RACE, how, str(times)]
    racing = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    for process in racing:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [line for process in racing for line in process.communicate()[0].split()]


def test_of_many_appends_after_one_entry_one_is_written(workspace: str) -> None:
    assert sorted(race("five", processes=8, times=1)) == ["moved"] * 7 + ["wrote"]
    assert head(workspace) == 6


def test_appends_from_many_processes_are_all_kept_in_one_whole_chain(workspace: str) -> None:
    assert race("any", processes=6, times=20) == ["wrote"] * 120
    entries = read_journal(workspace)
    assert len({(entry.facts["who"], entry.facts["n"]) for entry in entries[5:]}) == 120
    assert verify_journal(workspace) == ()
    assert [name for name in os.listdir("w/journal") if name.startswith(".")] == []


@pytest.mark.parametrize("number", [1, 3, 4])
def test_verify_names_the_entry_whose_facts_were_changed_and_no_other(workspace: str, number: int) -> None:
    path = rewrite(number, facts={"window": 99})
    said = verify_journal(workspace)
    assert len(said) == 1
    assert said[0].startswith(f"{path}: entry {number}")


@pytest.mark.parametrize("offset", range(0, 220, 7))
def test_one_byte_changed_anywhere_in_an_entry_is_told_of_that_entry(workspace: str, offset: int) -> None:
    path = Path("w/journal/000002.json")
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    said = verify_journal(workspace)
    assert len(said) == 1
    assert said[0].startswith(f"{path}: ")


def test_verify_names_an_entry_that_was_taken_out(workspace: str) -> None:
    Path("w/journal/000003.json").unlink()
    assert verify_journal(workspace) == (
        "w/journal/000003.json: expected entry 3 of the journal, found nothing; restore it from a backup",
    )
    with pytest.raises(DataError, match="expected entry 3"):
        read_journal(workspace)


def test_an_entry_that_names_another_before_it_is_the_changed_one(workspace: str) -> None:
    path = rewrite(3, previous_sha256="f" * 64)
    assert [line.partition(":")[0] for line in verify_journal(workspace)] == [str(path)]


def test_the_last_entry_is_only_vouched_for_by_a_hash_kept_elsewhere(workspace: str) -> None:
    kept = head_sha256(workspace)
    rewrite(5, facts={"window": 99})
    assert verify_journal(workspace) == ()
    assert head_sha256(workspace) != kept


def test_a_file_is_written_once(tmp_path: Path) -> None:
    assert write_once(tmp_path / "a", "first")
    assert not write_once(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text(encoding="utf-8") == "first"
    assert os.listdir(tmp_path) == ["a"]


def test_a_writer_that_is_told_no_although_it_was_done_has_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def asked_twice(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError

    monkeypatch.setattr(journal.os, "link", asked_twice)
    assert write_once(tmp_path / "a", "first")


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 4711"), OSError("No username set in the environment")])
def test_a_user_without_a_name_signs_by_number(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr(journal.getpass, "getuser", nameless)
    assert journal.signature().startswith(f"uid-{os.getuid()}@")
