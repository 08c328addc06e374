"""The training stages on a work pool of a real server, by a real worker process: the same records as in the flow's own process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rootstock.records import Ladder, Record, Selection, TrainedModel, TunedBackbone

sys.path.insert(0, str(Path(__file__).parent))

from task_folder import TIMEOUT, TaskFolder, make_task, shell_environment

pytestmark = [pytest.mark.flow, pytest.mark.slow]

ON_POOL = ("--set", "compute.finetuning.work_pool=gpu")
SECTIONS: dict[str, type[Record]] = {
    "selection": Selection, "source_tuning": TunedBackbone, "training": TrainedModel, "ladder": Ladder,
}  # fmt: skip
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Begin a command of Prefect's; ended, with what it started, after the last test."""
    import psutil

    home = tmp_path_factory.mktemp("prefect")
    started: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        environment = shell_environment() | {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"} | settings
        with (home / "log.txt").open("ab") as log:
            command = [sys.executable, "-m", "prefect", *arguments]
            started.append(subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True))
        return started[-1]

    yield begin
    for process in reversed(started):
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(process.pid).children(recursive=True)
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            for each in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def url(start: Start) -> str:
    """Address of a server with the pool ``gpu``, of which no worker is online."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start("server", "start", "--host", "127.0.0.1", "--port", str(port))
    address = f"http://127.0.0.1:{port}/api"

    def is_up() -> bool:
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"{address}/health", timeout=2).status == 200)
        return False

    wait_until(is_up, server)
    assert start("work-pool", "create", "gpu", "--type", "process", PREFECT_API_URL=address).wait(TIMEOUT) == 0
    return address


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory, url: str) -> TaskFolder:
    return replace(make_task(tmp_path_factory.mktemp("shared")), environment={"PREFECT_API_URL": url})


@pytest.fixture(scope="module")
def unserved(task: TaskFolder) -> tuple[subprocess.CompletedProcess[str], float]:
    """A run before there is a worker, and the seconds from the moment at which it wants one."""
    process = task.start("run", *ON_POOL)
    assert process.stderr is not None
    lines = []
    wanted = time.monotonic()
    for line in process.stderr:
        lines.append(line)
        if "on work pool gpu" in line and "cancelling" not in line:
            wanted = time.monotonic()
    code = process.wait(TIMEOUT)
    return subprocess.CompletedProcess([], code, "", "".join(lines)), time.monotonic() - wanted


@pytest.fixture(scope="module")
def pooled(task: TaskFolder, unserved: object, start: Start, url: str) -> dict[str, Any]:
    start("worker", "start", "--pool", "gpu", "--type", "process", PREFECT_API_URL=url, PREFECT_WORKER_QUERY_SECONDS="2")
    document: dict[str, Any] = task.answer("run", *ON_POOL)
    return document


@pytest.fixture(scope="module")
def alone(task: TaskFolder) -> dict[str, Any]:
    document: dict[str, Any] = task.answer("run", "--set", "workspace=alone")
    return document


def child_runs(url: str) -> list[dict[str, Any]]:
    """Runs on the pool, newest first."""
    wanted = json.dumps({"work_pools": {"name": {"any_": ["gpu"]}}, "sort": "EXPECTED_START_TIME_DESC"}).encode()
    request = urllib.request.Request(f"{url}/flow_runs/filter", wanted, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + TIMEOUT
    while not is_so():
        assert process.poll() is None, process.returncode
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_pool_without_workers_is_told_within_a_minute(unserved, url):
    done, seconds = unserved
    assert done.returncode == 3
    assert done.stderr.count("start one with 'prefect worker start --pool gpu'") == 2  # at the start, and at the end
    assert seconds < 60
    assert [run["state_type"] for run in child_runs(url)][-1] == "CANCELLED"


def test_the_records_are_those_of_the_flows_own_process(pooled, alone):
    for name, kind in SECTIONS.items():
        assert kind.model_validate(pooled[name]).sha256() == kind.model_validate(alone[name]).sha256(), name
    assert pooled["run_key"] == alone["run_key"]


def test_the_weights_are_the_same_to_the_bit(pooled, alone, task):
    found = {}
    for name, document in (("pooled", pooled), ("alone", alone)):
        model = task.folder / document["training"]["model"]["path"]
        found[name] = {path.relative_to(model): path.read_bytes() for path in model.rglob("*.safetensors")}
    assert len(found["pooled"]) > 0
    assert found["pooled"] == found["alone"]


def test_the_worker_did_the_training_stages_and_only_those(pooled, url, task):
    assert "COMPLETED" in [run["state_type"] for run in child_runs(url)]
    assert set(pooled["reused"]).isdisjoint(("select", "tune", "finetune", "ladder"))
    assert list((task.workspace / "jobs").glob("*")) == []


def test_what_a_worker_did_is_not_done_again_in_process(pooled, task):
    """Prefect's own cache is another one without the server; the records are the same."""
    again = replace(task, environment={}).answer("run", "--force")
    assert {"select", "tune", "finetune", "ladder"} <= set(again["reused"])


def test_a_stage_fails_on_the_worker_as_it_does_in_process(pooled, task):
    wrong = ("--set", "finetuning.methods.1.target_modules=[nothing]")
    here, there = task.call("run", "--set", "workspace=alone", *wrong), task.call("run", *ON_POOL, *wrong)

    def last_error(done: subprocess.CompletedProcess[str]) -> str:
        return next(line for line in reversed(done.stderr.splitlines()) if line.startswith("error: "))

    assert here.returncode == there.returncode == 2
    assert "nothing" in last_error(here)
    assert last_error(there) == last_error(here)


def test_the_run_of_a_killed_flow_is_followed_by_the_next(pooled, task, url):
    longer = ("run", *ON_POOL, "--set", "seed=11", "--set", "finetuning.methods.1.epochs=300")
    before = len(child_runs(url))
    process = task.start(*longer)
    wait_until(lambda: child_runs(url)[0]["state_type"] == "RUNNING", process)
    task.kill(process)
    document = task.answer(*longer)
    assert len(child_runs(url)) == before + 1
    assert document["status"] in ("promoted", "challenger", "refused")


def test_an_interrupted_run_cancels_its_run_on_the_worker(pooled, task, url):
    process = task.start("run", *ON_POOL, "--set", "seed=7", "--set", "finetuning.methods.1.epochs=20000")
    wait_until(lambda: child_runs(url)[0]["state_type"] == "RUNNING", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, said
    assert "cancelling run" in said
    assert child_runs(url)[0]["state_type"] == "CANCELLED"
    assert os.listdir(task.workspace / "jobs") == []
