from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rootstock.errors import BusyError, StorageError
from rootstock.registration.lease import lease

HOLD = """
import sys, time
from rootstock.registration.lease import lease
with lease("w", seconds=float(sys.argv[1])) as held:
    print(held.number, flush=True)
    time.sleep(60)
"""
COUNT = """
from pathlib import Path
from rootstock.registration.lease import lease
for _ in range(10):
    with lease("w", seconds=60):
        count = int(Path("count").read_text())
        Path("count").write_text(str(count + 1))
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds a lease of 30 seconds."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, "30"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()


def rewrite(**changed: object) -> None:
    path = next(Path("w/journal").glob("lease.*.json"))
    path.chmod(0o644)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changed), encoding="utf-8")


def test_a_lease_given_back_can_be_taken_at_once_under_a_higher_number() -> None:
    for number in (1, 2, 3):
        with lease("w", seconds=5) as held:
            assert held.number == number
    assert os.listdir("w/journal") == ["lease.000003.json"]


def test_a_live_holder_is_waited_for_and_named(other: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(BusyError, match=rf"within 0.5 s, found it held by process {other.pid} \(.*@.*\) until \d\d:\d\d:\d\d UTC"):
        lease("w", seconds=0.5).__enter__()
    assert time.monotonic() - started < 5


def test_a_holder_that_was_killed_is_taken_over_at_once(other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    started = time.monotonic()
    with lease("w", seconds=20):
        assert time.monotonic() - started < 2


def test_a_process_that_got_the_number_of_a_dead_holder_does_not_hold(other: subprocess.Popen[str]) -> None:
    rewrite(pid=os.getpid())
    with lease("w", seconds=1):
        pass


def test_a_holder_on_another_machine_is_taken_over_only_when_its_lease_has_run_out(other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    rewrite(host="elsewhere")
    with pytest.raises(BusyError, match="@elsewhere"):
        lease("w", seconds=0.3).__enter__()
    rewrite(expires=time.time() - 1)
    with lease("w", seconds=0.3):
        pass


def test_who_was_away_for_longer_than_the_lease_may_not_go_on() -> None:
    with lease("w", seconds=0.2) as held:
        held.check()
        time.sleep(0.3)
        with pytest.raises(BusyError, match="ran out"):
            held.check()


def test_who_was_taken_over_may_not_go_on_and_does_not_give_back_the_others_lease() -> None:
    first = lease("w", seconds=0.1)
    held = first.__enter__()
    time.sleep(0.2)
    with lease("w", seconds=30) as second:
        with pytest.raises(BusyError, match="ran out"):
            held.check()
        first.__exit__(None, None, None)
        second.check()
        with pytest.raises(BusyError, match=f"process {os.getpid()}"):
            lease("w", seconds=0.2).__enter__()


def test_a_lease_is_given_back_when_the_command_fails() -> None:
    with pytest.raises(RuntimeError), lease("w", seconds=30):
        raise RuntimeError
    with lease("w", seconds=0.1):
        pass


def test_a_disk_that_is_full_when_the_lease_is_given_back_does_not_make_what_was_done_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise StorageError(f"cannot write {path}: No space left on device")

    with lease("w", seconds=30):
        monkeypatch.setattr("rootstock.registration.lease.write_text", full)


def test_a_file_that_says_nothing_is_no_lease() -> None:
    Path("w/journal").mkdir(parents=True)
    Path("w/journal/lease.000007.json").write_text("", encoding="utf-8")
    with lease("w", seconds=0.1) as held:
        assert held.number == 8


def test_of_many_processes_one_at_a_time_holds_it() -> None:
    Path("count").write_text("0", encoding="utf-8")
    racing = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(6)]
    assert [process.wait() for process in racing] == [0] * 6
    assert Path("count").read_text(encoding="utf-8") == "60"


def test_a_user_without_a_name_can_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: {}["getpwuid(): uid not found: 4711"])
    with lease("w", seconds=5) as taken:
        assert taken.holder.user == f"uid-{os.getuid()}"
