"""A stage in two processes that ``accelerate launch`` starts: its result, its errors, its end, and nothing left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from rootstock.errors import ParamsError, ServiceError
from rootstock.params import Params, parse_params
from rootstock.records import Incumbent, PreparedData, Record, Selection, TunedBackbone
from rootstock.stages import find_stage
from rootstock_flows import in_processes
from rootstock_flows.in_processes import Fault, gpus_here, require_gpus, run_stage_as_asked

FOLDER = Path("w/stages/tune/abc")
LONG = 20_000


def with_processes(params: Params, count: int, **source: Any) -> Params:
    raw = params.model_dump(mode="json") | {"workspace": "w", "compute": {"finetuning": {"work_pool": None, "processes": count}}}
    raw["finetuning"]["source"] |= source
    raw["finetuning"]["checkpoint_minutes"] = 0.001
    return parse_params(raw, "params.yaml")


@pytest.fixture
def tune(tiny_data: PreparedData, tiny_params: Params, tiny_backbone: Path) -> Callable[..., Record]:
    """Runs the stage ``tune`` on the source ``related`` in so many processes."""
    selection = Selection(
        chosen="related", chosen_name="related", chosen_kind="domain", backbone=str(tiny_backbone), matched_labels={}, rounds=(),
        reason="", rows_trained=0, seconds=0.0,
    )  # fmt: skip
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    inputs: dict[type[Record], Record] = {PreparedData: tiny_data, Selection: selection, Incumbent: nobody}

    def run(count: int, **source: Any) -> Record:
        params = with_processes(tiny_params, count, **source)
        return run_stage_as_asked(find_stage("tune"), inputs, params=params, folder=FOLDER, run_key="key")

    return run


def when_training(do: Callable[[list[psutil.Process]], None]) -> threading.Thread:
    """Once a checkpoint was written, ``do`` something with the processes below this one."""

    def wait() -> None:
        end = time.monotonic() + 120
        while not list(Path("w/checkpoints").rglob("*.pt")) and time.monotonic() < end:
            time.sleep(0.05)
        do(psutil.Process().children(recursive=True))

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def members(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The training processes, without their launcher."""
    commands = {process: process.cmdline() for process in processes}
    return [each for each, said in commands.items() if "rootstock_flows.member" in said and "--num_processes" not in said]


def left() -> list[Any]:
    """Processes and files of a stage that has ended."""
    return [*psutil.Process().children(recursive=True), *Path("w/processes").glob("*")]


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_a_number_of_processes_that_cannot_be_is_refused(tiny_params, count):
    with pytest.raises(ParamsError, match=r"compute\.finetuning\.processes") as raised:
        with_processes(tiny_params, count)
    assert "\n" not in str(raised.value)


def test_more_processes_than_gpus_are_refused_where_the_stage_starts(tune, monkeypatch):
    monkeypatch.setattr(in_processes, "gpus_here", lambda: 1)
    with pytest.raises(ParamsError, match=r"compute\.finetuning\.processes: expected at most 1, the number of GPUs .* found 2"):
        tune(2)
    assert left() == []


def test_a_machine_without_gpus_sets_no_limit():
    if gpus_here() == 0:
        require_gpus(64)


def test_one_process_is_this_one(tune, monkeypatch):
    monkeypatch.setattr(in_processes, "_train_together", lambda *_: pytest.fail("started processes"))
    assert isinstance(tune(1), TunedBackbone)


def test_the_first_of_rootstocks_own_errors_is_raised_again(tmp_path):
    for rank, (kind, message) in enumerate([("RuntimeError", "connection closed"), ("DataError", "rows: expected 2, found 1")]):
        text = Fault(kind=kind, message=message, traceback="", seconds=rank).model_dump_json()
        (tmp_path / f"error-{rank}.json").write_text(text)
    found = in_processes._failure("tune", tmp_path, 2, said="")
    assert type(found).__name__ == "DataError"
    assert str(found) == "rows: expected 2, found 1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("failed (exitcode: -9) local_rank: 1 (pid: 7)", "tune: process 2 of 2 was killed by signal 9; run the same command again"),
        ("a\nno room\n", "tune in 2 processes: they could not be started, or their launcher was killed (no room); run the same"),
    ],
)
def test_an_end_without_an_error_says_what_to_do(tmp_path, said, expected):
    found = in_processes._failure("tune", tmp_path, 2, said=said)
    assert isinstance(found, ServiceError)
    assert str(found).startswith(expected)


@pytest.mark.slow
def test_a_stage_leaves_its_record_and_nothing_else(tune, capfd):
    record = tune(2)
    assert isinstance(record, TunedBackbone)
    assert record.damage() == ()
    assert (FOLDER / "record.json").is_file()
    assert left() == []
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_an_error_of_a_process_is_raised_here_as_it_was_there(tune):
    with pytest.raises(ParamsError, match="target_modules") as raised:
        tune(2, target_modules=["nothing"])
    assert "\n" not in str(raised.value)
    assert left() == []


@pytest.mark.slow
@pytest.mark.parametrize("who", ["a process", "the launcher"])
def test_a_kill_ends_all_and_says_that_the_same_command_goes_on(tune, who):
    def kill(processes: list[psutil.Process]) -> None:
        (members(processes)[1] if who == "a process" else psutil.Process(members(processes)[0].ppid())).kill()

    thread = when_training(kill)
    with pytest.raises(ServiceError, match="run the same command again"):
        tune(2, epochs=LONG)
    thread.join()
    assert left() == []


@pytest.mark.slow
def test_word_to_stop_is_passed_on_and_a_checkpoint_left(tune):
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    thread = when_training(lambda _: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(KeyboardInterrupt):
            tune(2, epochs=LONG)
    finally:
        signal.signal(signal.SIGTERM, before)
    thread.join()
    assert left() == []
    assert len(list(Path("w/checkpoints").rglob("*.pt"))) == 1


PARENT = """
import sys
from pathlib import Path
from rootstock_flows import in_processes
in_processes._train_together("tune", Path(sys.argv[1]), 2)
"""


@pytest.mark.slow
def test_no_process_outlives_a_parent_that_is_killed(tune, monkeypatch):
    found: list[psutil.Process] = []

    def in_another_process(name: str, work: Path, count: int) -> None:
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(work)])
        when_training(lambda processes: (found.extend(processes), parent.kill())).join()
        parent.wait()
        raise ServiceError("killed")

    monkeypatch.setattr(in_processes, "_train_together", in_another_process)
    with pytest.raises(ServiceError):
        tune(2, epochs=LONG)
    assert len(found) >= 4  # the parent, the launcher, two that train
    _, alive = psutil.wait_procs(found, timeout=10)
    assert alive == []
