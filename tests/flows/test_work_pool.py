"""Training on a work pool: what is asked of the params and the server, and how a child run is followed. No server is started."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Completed, Crashed, Failed, Pending, Running, Scheduled
from rootstock.errors import DataError, ParamsError, ServiceError
from rootstock.installation import code_parts
from rootstock.params import Params, parse_params
from rootstock.records import DatasetRevision, Resolution
from rootstock.stages import STAGES, run_key
from rootstock_flows import work_pool
from rootstock_flows.finetuning import TRAINING
from rootstock_flows.following import Following, ServerAway, failure
from rootstock_flows.handover import (
    BEAT_FILE,
    JOB_FILE,
    Job,
    StageDone,
    beating,
    read_beat,
    read_job,
    read_progress,
    require_same_code,
    write_progress,
)
from rootstock_flows.work_pool import require_pool

JOB = Job(token="one", params={}, run_key="k", stages=("tune",), folders={}, code={"rootstock": "a" * 64, "torch": "2.13.0"})


def params_with(mapping: dict[str, Any], pool: Any) -> Params:
    return parse_params(mapping | {"compute": {"finetuning": {"work_pool": pool, "processes": 1}}}, "params.yaml")


def test_the_file_trains_in_the_flows_own_process(params_mapping):
    assert parse_params(params_mapping(), "params.yaml").compute.finetuning.work_pool is None


def test_a_pool_is_a_name(params_mapping):
    assert params_with(params_mapping(), "gpu").compute.finetuning.work_pool == "gpu"
    with pytest.raises(ParamsError, match=r"compute\.finetuning\.work_pool"):
        params_with(params_mapping(), 3)


def test_a_misspelt_key_gets_a_suggestion(params_mapping):
    with pytest.raises(ParamsError, match="did you mean 'work_pool'"):
        parse_params(
            params_mapping() | {"compute": {"finetuning": {"work_pool": None, "work_poll": "gpu", "processes": 1}}}, "params.yaml"
        )


def test_where_a_stage_runs_is_no_part_of_any_key(params_mapping):
    revision = DatasetRevision(dataset="a", revision="a/v1", git_sha="0" * 40, md5="0" * 32)
    resolution = Resolution(registry="r", target=revision, sources=())
    here, there = (params_with(params_mapping(), pool) for pool in (None, "gpu"))
    assert run_key(resolution, here) == run_key(resolution, there)
    assert [stage.name for stage in STAGES if "compute" in stage.sections] == []


def test_the_training_stages_follow_each_other():
    names = [stage.name for stage in STAGES]
    first = names.index(next(iter(TRAINING)))
    assert names[first : first + len(TRAINING)] == list(TRAINING)


def test_without_a_pool_no_server_is_asked():
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        require_pool(None)


def test_a_pool_without_a_server_is_one_line_that_says_how_to_start_one():
    with (
        temporary_settings(restore_defaults=[PREFECT_API_URL]),
        pytest.raises(
            ParamsError, match="gpu needs a Prefect server, found no PREFECT_API_URL; start one with 'prefect server start'"
        ),
    ):
        require_pool("gpu")


def worker(*, status: str = "ONLINE", heartbeat: int = 0, interval: int = 30) -> SimpleNamespace:
    return SimpleNamespace(
        name="w", status=SimpleNamespace(value=status), last_heartbeat_time=heartbeat, heartbeat_interval_seconds=interval
    )


def pool(name: str, *, is_paused: bool = False) -> SimpleNamespace:
    return SimpleNamespace(name=name, is_paused=is_paused, is_push_pool=False, is_managed_pool=False)


@dataclasses.dataclass
class Server:
    """As much of a Prefect server as is asked; each look at the run shows the next of its states, the last one from then on."""

    states: list[Any] = dataclasses.field(default_factory=list)
    pools: tuple[Any, ...] = (pool("gpu"), pool("cpu"))
    workers: tuple[Any, ...] = ()
    set_states: list[Any] = dataclasses.field(default_factory=list)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def read_work_pools(self) -> tuple[Any, ...]:
        return self.pools

    def read_workers_for_work_pool(self, name: str) -> tuple[Any, ...]:
        return self.workers

    def read_flow_run(self, run_id: object) -> SimpleNamespace:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return SimpleNamespace(id=run_id, name="quick-fox", state=state)

    def set_flow_run_state(self, run_id: object, state: Any, *, force: bool = False) -> None:
        self.set_states.append(state)


@pytest.fixture
def serve(monkeypatch):
    """Stand in for the server that PREFECT_API_URL names."""

    def start(server: Server) -> Server:
        monkeypatch.setattr(work_pool, "get_client", lambda sync_client: server)
        return server

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield start


def test_an_unknown_pool_is_listed_with_the_known_ones(serve):
    serve(Server())
    with pytest.raises(ParamsError, match=r"unknown work pool 'gpux'; known: cpu, gpu; did you mean 'gpu'\?"):
        require_pool("gpux")


def test_a_paused_pool_says_how_to_resume_it(serve):
    serve(Server(pools=(pool("gpu", is_paused=True),)))
    with pytest.raises(ServiceError, match="prefect work-pool resume gpu"):
        require_pool("gpu")


@pytest.mark.parametrize(("status", "is_said"), [("ONLINE", False), ("OFFLINE", True)])
def test_a_pool_without_workers_is_told_at_the_start(serve, capsys, status, is_said):
    serve(Server(workers=(worker(status=status),)))
    require_pool("gpu")
    assert ("no worker online; start one with 'prefect worker start --pool gpu'" in capsys.readouterr().err) is is_said


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Gives what follows a run on this server, by a clock that goes ten seconds forward at each look."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + 10))
    told: list[StageDone] = []

    def make(server: Server) -> tuple[Following, list[StageDone]]:
        child: Any = SimpleNamespace(id=1, name="quick-fox", state=None)
        client: Any = server
        return Following(client, child, "gpu", tmp_path, told.append, needs_worker=True), told

    make.clock = clock
    return make


def test_a_run_that_no_worker_takes_ends_within_a_minute(follow):
    following, _ = follow(Server(states=[Scheduled()]))
    with pytest.raises(ServiceError, match="no worker online; start one with 'prefect worker start --pool gpu'"):
        following.to_the_end()
    assert follow.clock[0] <= 60


def test_a_worker_that_is_only_said_to_be_online_is_none(follow):
    """The server takes a killed worker for online for a minute and a half."""
    following, _ = follow(Server(states=[Pending()], workers=(worker(heartbeat=7),)))
    with pytest.raises(ServiceError, match="no worker online"):
        following.to_the_end()
    assert follow.clock[0] <= 60


def test_a_run_waits_behind_others_while_a_worker_lives(follow, monkeypatch):
    server = Server(states=[*[Scheduled()] * 30, Completed()])
    monkeypatch.setattr(Server, "read_workers_for_work_pool", lambda self, name: (worker(heartbeat=len(self.states) // 3),))
    following, _ = follow(server)
    following.to_the_end()
    assert follow.clock[0] >= 290


def test_a_worker_that_tells_of_itself_seldom_is_waited_for(follow):
    following, _ = follow(Server(states=[Scheduled()], workers=(worker(interval=120),)))
    with pytest.raises(ServiceError, match="no worker online"):
        following.to_the_end()
    assert 180 < follow.clock[0] <= 200


def test_each_stage_is_told_once_as_it_is_done(follow, tmp_path):
    done = tuple(StageDone(stage=name, host="h", seconds=1.0, reused=False) for name in ("select", "tune"))
    write_progress(tmp_path, done[:1])
    (tmp_path / BEAT_FILE).write_text("1")
    following, told = follow(Server(states=[Running()]))
    assert following._look() is False
    assert following._look() is False
    assert told == [done[0]]
    write_progress(tmp_path, done)
    following.client.states = [Completed()]
    assert following._look() is True
    assert tuple(told) == done


def test_a_run_without_a_sign_of_life_is_lost_and_marked_so(follow):
    server = Server(states=[Running()])
    following, _ = follow(server)
    with pytest.raises(ServiceError, match="quick-fox on work pool gpu is lost"):
        following.to_the_end()
    assert [state.name for state in server.set_states] == [Crashed().name]


def test_a_deleted_run_is_a_service_error(follow):
    following, _ = follow(Server(states=[ObjectNotFound(KeyError())]))
    with pytest.raises(ServiceError, match="quick-fox on work pool gpu was deleted"):
        following.to_the_end()


def test_a_server_that_is_away_for_a_while_is_waited_for(follow):
    following, _ = follow(Server(states=[*[httpx.ConnectError("refused")] * 20, Completed()]))
    following.to_the_end()


def test_a_server_that_stays_away_ends_the_flow_and_not_the_worker(follow):
    server = Server(states=[httpx.ConnectError("refused")])
    following, _ = follow(server)
    with pytest.raises(ServerAway, match="goes on by itself"):
        following.to_the_end()
    assert server.set_states == []


def test_a_failed_run_raises_what_its_stage_raised(follow):
    following, _ = follow(Server(states=[Failed(message="Flow run encountered an exception: DataError: rows.csv: no rows: none")]))
    with pytest.raises(DataError) as caught:
        following.to_the_end()
    assert str(caught.value) == "rows.csv: no rows: none"
    assert caught.value.exit_code == DataError.exit_code


@pytest.mark.parametrize(
    "message", ["Flow run encountered an exception: ZeroDivisionError: division by zero", "exit code 137", None]
)
def test_any_other_end_is_a_service_error_that_names_the_run(message):
    found = failure("Crashed", message or "", run="quick-fox", pool="gpu")
    assert type(found) is ServiceError
    assert "run quick-fox on work pool gpu ended as Crashed" in str(found)
    assert (message or "no reason given") in str(found)


def test_a_worker_that_sees_another_folder_says_so(tmp_path):
    for what in ("found nothing", "found another job"):
        with pytest.raises(
            ServiceError, match=rf"worker h does not see the flow's workspace: .*{what}; .* must share the project folder"
        ):
            read_job(tmp_path, token="two", host="h")
        (tmp_path / JOB_FILE).write_text(JOB.model_dump_json())
    assert read_job(tmp_path, token="one", host="h") == JOB


def test_a_worker_without_the_project_folder_says_so(tmp_path):
    from rootstock_flows.on_worker import run_job

    with pytest.raises(ServiceError, match=r"expected the project folder .*gone, found none; .* must share the project folder"):
        run_job.fn(str(tmp_path / "gone"), "jobs/1", "token")


def test_a_worker_with_other_code_names_what_differs():
    require_same_code(JOB, dict(JOB.code), host="h")
    with pytest.raises(ServiceError, match=r"worker h has other code than the flow: torch 2\.12\.0 \(expected 2\.13\.0\); install"):
        require_same_code(JOB, JOB.code | {"torch": "2.12.0"}, host="h")


def test_a_build_for_another_device_is_the_same_code(monkeypatch):
    from rootstock import installation

    before = code_parts()
    monkeypatch.setattr(installation.importlib.metadata, "version", lambda name: f"{before[name]}+cu999")
    assert code_parts.__wrapped__() == before


def test_the_entrypoint_names_the_flow():
    import importlib

    from rootstock_flows.on_worker import ENTRYPOINT, run_job

    module, _, name = ENTRYPOINT.rpartition(".")
    assert getattr(importlib.import_module(module), name) is run_job


def test_the_beat_changes_until_the_block_ends(tmp_path):
    with beating(tmp_path, every=0.01):
        first = read_beat(tmp_path)
        end = time.monotonic() + 10
        while read_beat(tmp_path) in ("", first) and time.monotonic() < end:
            time.sleep(0.01)
        assert read_beat(tmp_path) not in ("", first)
    last = read_beat(tmp_path)
    time.sleep(0.05)
    assert read_beat(tmp_path) == last


def test_nothing_is_done_before_the_worker_says_so(tmp_path):
    assert read_progress(tmp_path) == ()
