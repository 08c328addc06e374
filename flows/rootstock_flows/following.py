"""A run on a worker, followed until it has ended: what it has done, whether it lives, and what it fails of."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling, Crashed
from rootstock import errors
from rootstock.errors import RootstockError, ServiceError

from rootstock_flows.handover import StageDone, read_beat, read_progress
from rootstock_flows.session import say

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

KEY = "compute.finetuning.work_pool"
POLL_SECONDS = 2.0
#: A worker that says nothing for so long is none; workers tell of themselves every 30 s unless set otherwise.
WORKER_SECONDS = 45.0
#: A process that has not moved its beat for so long is gone: 18 beats, and what a network file system keeps back.
LOST_SECONDS = 180.0
#: A server that does not answer for so long ends the flow; the worker goes on, and the same command finds it again.
SERVER_SECONDS = 300.0
CANCEL_SECONDS = 60.0


class NoWorkerError(ServiceError):
    """A work pool has no worker online."""

    def __init__(self, pool: str) -> None:
        super().__init__(f"{KEY}: work pool {pool} has no worker online; start one with 'prefect worker start --pool {pool}'")


class ServerAway(Exception):
    """The server does not answer; the worker may well go on."""


@dataclass
class _Watch:
    """How long something has stayed as it is, by this process's own clock: clocks of other machines may differ."""

    seen: Any = None
    since: float = field(default_factory=time.monotonic)

    def unchanged_for(self, now_seen: Any) -> float:
        if now_seen != self.seen:
            self.seen, self.since = now_seen, time.monotonic()
        return time.monotonic() - self.since


@dataclass
class Following:
    """A child run, looked at until it has ended."""

    client: SyncPrefectClient
    child: FlowRun
    pool: str
    folder: Path
    done: Callable[[StageDone], None]
    needs_worker: bool
    heard_of: int = 0
    heartbeat: _Watch = field(default_factory=_Watch)
    beat: _Watch = field(default_factory=_Watch)
    answered: float = field(default_factory=time.monotonic)

    def to_the_end(self) -> None:
        while not self._look():
            time.sleep(POLL_SECONDS)

    def _look(self) -> bool:
        try:
            self.child = self.client.read_flow_run(self.child.id)
            heartbeats = self._heartbeats() if self.child.state and not self.child.state.is_running() else None
        except ObjectNotFound as error:
            raise ServiceError(f"run {self.child.name} on work pool {self.pool} was deleted; run the same command again") from error
        except httpx.HTTPError as error:
            if time.monotonic() - self.answered > SERVER_SECONDS:
                raise ServerAway(
                    f"the Prefect server has not answered for {SERVER_SECONDS:.0f} s ({type(error).__name__}); run "
                    f"{self.child.name} goes on by itself: start the server, then run the same command again"
                ) from error
            return False
        self.answered = time.monotonic()
        state = self.child.state
        if state is None:
            return False
        self._tell()
        if state.is_final():
            if not state.is_completed():
                raise failure(state.name or state.type.value, state.message or "", run=self.child.name, pool=self.pool)
            return True
        if state.is_running():
            self._require_beat()
        elif self.needs_worker:
            limit, heard = heartbeats or (WORKER_SECONDS, ())
            if self.heartbeat.unchanged_for(heard) > limit:
                raise NoWorkerError(self.pool)
        return False

    def _heartbeats(self) -> tuple[float, tuple[tuple[str, str], ...]]:
        """Seconds to wait for a worker, and when each was last heard of."""
        workers = self.client.read_workers_for_work_pool(self.pool)
        online = [worker for worker in workers if worker.status.value == "ONLINE"]
        slowest = max((worker.heartbeat_interval_seconds or 30 for worker in online), default=30)
        return max(WORKER_SECONDS, 1.5 * slowest), tuple((worker.name, str(worker.last_heartbeat_time)) for worker in workers)

    def _tell(self) -> None:
        done = read_progress(self.folder)
        for each in done[self.heard_of :]:
            self.done(each)
        self.heard_of = len(done)

    def _require_beat(self) -> None:
        if self.beat.unchanged_for(read_beat(self.folder)) > LOST_SECONDS:
            lost = f"no sign of life for {LOST_SECONDS:.0f} s in {self.folder}"
            with contextlib.suppress(httpx.HTTPError):
                self.client.set_flow_run_state(self.child.id, Crashed(message=lost), force=True)
            raise ServiceError(
                f"run {self.child.name} on work pool {self.pool} is lost: {lost}; look after the worker, then run the same command "
                "again, it goes on"
            )


def failure(state: str, message: str, *, run: str, pool: str) -> RootstockError:
    """The error that ended a child run: Rootstock's own as it was raised there, and a ServiceError for anything else."""
    raised = re.search(r"\b(\w+): (.*)", message.partition("exception: ")[2], re.DOTALL)
    kind = getattr(errors, raised[1], None) if raised else None
    if raised and isinstance(kind, type) and issubclass(kind, RootstockError):
        return kind(raised[2])
    return ServiceError(
        f"run {run} on work pool {pool} ended as {state}: {message or 'no reason given'}; the worker's output has more; "
        "run the same command again, it goes on"
    )


def cancel(client: SyncPrefectClient, child: FlowRun, pool: str) -> None:
    """Cancel the run if it has not ended, and wait for it: until then it may still write."""
    with contextlib.suppress(httpx.HTTPError, ObjectNotFound):
        state = client.read_flow_run(child.id).state
        if state is None or state.is_final():
            return
        say(f"  {'workers':<10} cancelling run {child.name} on work pool {pool}")
        client.set_flow_run_state(child.id, Cancelling())
        end = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < end:
            state = client.read_flow_run(child.id).state
            if state is None or state.is_final():
                return
            time.sleep(0.5)
