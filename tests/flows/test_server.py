"""Servers of killed runs are ended, others are not; and what Prefect wraps is unwrapped."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import psutil
import pytest
from rootstock.errors import DataError, ServiceError
from rootstock_flows.environment import embed
from rootstock_flows.server import OWNER, embedded, reap


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv(OWNER, "unset by the test")
    return str(tmp_path)


@pytest.fixture
def begin(home):
    """Start a process that looks like an embedded server."""
    started = []

    def start(**settings: str) -> subprocess.Popen[bytes]:
        environment = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT_HOME": home, **settings}
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_server_whose_run_is_gone_is_ended(begin):
    server = begin(**{OWNER: "999999999"})
    assert reap() == (server.pid,)
    assert not psutil.pid_exists(server.pid)
    assert reap() == ()


def test_a_server_whose_run_lives_is_left_alone(begin):
    server = begin(**{OWNER: str(os.getpid())})
    assert reap() == ()
    assert server.poll() is None


@pytest.mark.parametrize(
    "settings", [{OWNER: "999999999", "PREFECT_HOME": "/elsewhere"}, {}], ids=["another home", "not started by a run"]
)
def test_servers_of_others_are_left_alone(begin, settings):
    server = begin(**settings)
    assert reap() == ()
    assert server.poll() is None


def fail_while_reporting(first: BaseException) -> None:
    """As Prefect does: the report of a failure fails, with the failure as its context."""
    try:
        raise first
    except BaseException:
        raise httpx.ConnectError("connection refused")  # noqa: B904


@pytest.mark.parametrize("first", [DataError("rows.csv: no rows"), KeyboardInterrupt()], ids=["an error", "an interruption"])
def test_what_stands_behind_a_failed_report_comes_out(home, first):
    with pytest.raises(type(first)) as caught, embedded():
        fail_while_reporting(first)
    assert caught.value is first


def test_a_server_that_is_gone_is_a_service_error(home):
    with pytest.raises(ServiceError, match="did not answer: connection refused"), embedded():
        raise httpx.ConnectError("connection refused")


def fail_at_the_first_call() -> None:
    """As Prefect's client does where the server is away."""
    try:
        raise httpx.ConnectError("connection refused")
    except httpx.ConnectError as error:
        raise RuntimeError("Failed to reach API at http://127.0.0.1:9/api/") from error


def test_a_server_that_never_answered_is_a_service_error(home):
    with pytest.raises(ServiceError, match="did not answer: Failed to reach API at http"), embedded():
        fail_at_the_first_call()


def test_a_url_left_empty_names_no_server(tmp_path, monkeypatch):
    settings = {"PREFECT_API_URL": ""}
    monkeypatch.setattr(os, "environ", settings)
    embed(str(tmp_path))
    assert settings["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert "PREFECT_API_URL" not in settings


def test_a_fault_of_the_program_stays_what_it_is(home):
    with pytest.raises(ZeroDivisionError), embedded():
        _ = 1 / 0


def test_a_server_that_does_not_start_is_a_service_error_of_one_line(home):
    said = "Timed out while attempting to connect to ephemeral Prefect API server. stderr: a\nb"
    with pytest.raises(ServiceError, match=f"{home} did not start; look whether its disk is full") as caught, embedded():
        raise RuntimeError(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", ["Failed to reach API at http://127.0.0.1:9/api/", "Found incompatible versions: 3 and 2"])
def test_a_server_that_the_environment_names_and_that_cannot_be_used_is_a_service_error(home, said):
    with pytest.raises(ServiceError, match=f"PREFECT_API_URL names cannot be used: {said}; start it, or unset"), embedded():
        raise RuntimeError(said)


def test_another_error_at_run_time_stays_what_it_is(home):
    with pytest.raises(RuntimeError, match="no kernel image"), embedded():
        raise RuntimeError("no kernel image")
