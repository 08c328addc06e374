"""Commands in processes of their own that are really killed, or really at once; run as a script by the tests beside it.

The libraries are imported once and each process is forked from that, before any of them has opened a database.

    forked_commands.py kill WORKSPACE       promote and roll back, killed at each step, then whatever the next command does
    forked_commands.py race WORKSPACE N     N processes promote versions 2 to N + 1 at once, all expecting version 1
    forked_commands.py queue WORKSPACE N    N processes promote versions 2 to N + 1 until each of them once was champion
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
from rootstock.errors import Refusal, RootstockError
from rootstock.journal import read_journal
from rootstock.params import RegistrationParams
from rootstock.registration import load_check, steps
from rootstock.registration.aliases import read_intended
from rootstock.registration.by_hand import promote, rollback
from rootstock.registration.chain import check_chain
from rootstock.registration.mlflow_registry import find_aliases, tracking
from rootstock.registration.reconcile import reconcile

MODEL = "tiny-model"
SECTION = RegistrationParams(model=MODEL, experiment="e", approval="automatic", lease_seconds=120)
COMMANDS: dict[str, Callable[[str], object]] = {
    "promote": lambda workspace: promote("3", registration=SECTION, workspace=workspace, reason="r"),
    "rollback": lambda workspace: rollback(registration=SECTION, workspace=workspace, reason="r"),
}
load_check.check_loads = lambda *args, **kwargs: None  # the versions are names without a model


def forked(work: Callable[[], Any], answer: Path) -> int:
    """Process that does the work and writes what it gives, as JSON."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        done = work()
        answer.write_text(json.dumps(done), encoding="utf-8")
        code = 0
    finally:
        os._exit(code)


def ended_by(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def state(workspace: str) -> dict[str, Any]:
    return {
        "aliases": find_aliases(tracking(workspace), MODEL),
        "settled": read_intended(workspace, MODEL).settled,
        "intended": read_intended(workspace, MODEL).aliases.model_dump(exclude_none=True),
        "kinds": [entry.kind for entry in read_journal(workspace)],
        "faults": check_chain(MODEL, workspace=workspace),
    }


def die_at(step: str, command: str, workspace: str) -> None:
    def reached(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.reached = reached
    COMMANDS[command](workspace)


def after(command: str, workspace: str) -> dict[str, Any]:
    """The state that the next command leaves, which only looks, and the same command once more."""
    started = time.monotonic()
    reconcile(registration=SECTION, workspace=workspace)
    seconds = time.monotonic() - started
    found = state(workspace)
    again: str | None = None
    try:
        COMMANDS[command](workspace)
    except RootstockError as error:
        again = type(error).__name__
    return {"found": found, "seconds": seconds, "again": again, "in_the_end": state(workspace)}


def kill(workspace: str) -> dict[str, Any]:
    told = {}
    for command in COMMANDS:
        for step in steps.STEPS:
            copy = f"{command}-{step}"
            shutil.copytree(workspace, copy)
            code = ended_by(forked(lambda: die_at(step, command, copy), Path("unused.json")))  # noqa: B023
            answer = Path(f"{copy}.json")
            assert ended_by(forked(lambda: after(command, copy), answer)) == 0  # noqa: B023
            told[copy] = {"code": code, **json.loads(answer.read_text(encoding="utf-8"))}
    return told


def at_once(workspace: str, count: int, work: Callable[[int], Any]) -> list[Any]:
    """What each of so many processes gave; they begin when the last of them has opened the database."""
    waiting, go = os.pipe()
    hearing, there = os.pipe()

    def begin(number: int) -> Any:
        os.close(go)
        find_aliases(tracking(workspace), MODEL)
        os.write(there, b".")
        os.read(waiting, 1)
        return work(number)

    answers = [Path(f"answer-{number}.json") for number in range(count)]
    children = [forked(lambda number=number: begin(number), answers[number]) for number in range(count)]  # type: ignore[misc]
    heard = 0
    while heard < count:
        heard += len(os.read(hearing, count))
    os.close(go)
    assert [ended_by(child) for child in children] == [0] * count
    return [json.loads(answer.read_text(encoding="utf-8")) for answer in answers]


def compete(workspace: str, version: str, expect: str) -> str | None:
    """None for who wins, or what the others are told."""
    try:
        promote(version, registration=SECTION, workspace=workspace, reason="r", expect=expect)
    except Refusal as error:
        return str(error)
    return None


def insist(workspace: str, version: str) -> int:
    """Times that it took."""
    for times in range(1, 1000):
        champion = reconcile(registration=SECTION, workspace=workspace).champion or "none"
        if compete(workspace, version, champion) is None:
            return times
    raise AssertionError


def main() -> None:
    what, workspace, *rest = sys.argv[1:]
    if what == "kill":
        told: Any = kill(workspace)
    elif what == "race":
        told = at_once(workspace, int(rest[0]), lambda number: compete(workspace, str(number + 2), "1"))
    else:
        told = at_once(workspace, int(rest[0]), lambda number: insist(workspace, str(number + 2)))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
