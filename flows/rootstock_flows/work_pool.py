"""The stages that train on a work pool: a deployment run that the flow starts, follows, and ends with itself."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL
from rootstock.errors import ParamsError, ServiceError, unknown_name
from rootstock.files import sha256_of_json, write_text
from rootstock.installation import code_parts

from rootstock_flows.following import KEY, Following, NoWorkerError, ServerAway, cancel
from rootstock_flows.handover import JOB_FILE, Job, StageDone
from rootstock_flows.on_worker import ENTRYPOINT, run_job
from rootstock_flows.session import say

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, WorkPool

    from rootstock_flows.steps import Run


def require_pool(pool: str | None) -> None:
    """Raise unless ``pool`` is None or a work pool that takes runs; say so at once if no worker of it is online.

    Raises ParamsError without a Prefect server or for an unknown pool, and ServiceError for a paused one, each saying what to do.
    """
    if pool is None:
        return
    try:
        workers_of(pool)
    except NoWorkerError as error:
        say(f"  {'workers':<10} {error}")


def workers_of(pool: str) -> tuple[str, ...]:
    """Names of the pool's workers that the server takes for online: heard of within three of their heartbeats.

    None for a pool that needs no workers. Raises like ``require_pool``, and NoWorkerError.
    """
    with _connected(pool) as client:
        found = _find_pool(client, pool)
        if found.is_paused:
            raise ServiceError(f"{KEY}: work pool {pool} is paused; 'prefect work-pool resume {pool}' lets it go on")
        names = tuple(worker.name for worker in client.read_workers_for_work_pool(pool) if worker.status.value == "ONLINE")
        if _needs_worker(found) and not names:
            raise NoWorkerError(pool)
    return names


def run_on_pool(run: Run, stages: tuple[str, ...], pool: str, *, key: str, done: Callable[[StageDone], None]) -> None:
    """Let a worker of the pool run ``stages`` from the records of ``run``; ``done`` is told of each as it is finished.

    ``key`` is a hash of all inputs: a job with this key that is under way already, as of a flow that was killed, is followed.
    Raises ServiceError if no worker takes it within a minute, if the worker is lost, or if it does not see this folder; and
    what the stage raised there.
    """
    with _connected(pool) as client:
        needs_worker = _needs_worker(_find_pool(client, pool))
        folder = Path(run.params.workspace) / "jobs" / key[:16]
        tag = f"job-{sha256_of_json([key, str(folder.absolute())])[:16]}"  # others may share the server, and not the folder
        child = _under_way(client, pool, tag) or _submit(client, run, stages, pool=pool, folder=folder, tag=tag)
        say(f"  {'workers':<10} run {child.name} on work pool {pool}")
        following = Following(client, child, pool, folder, done, needs_worker)
        try:
            following.to_the_end()
        except ServerAway as away:
            raise ServiceError(str(away)) from away
        except BaseException:
            cancel(client, child, pool)
            shutil.rmtree(folder, ignore_errors=True)
            raise
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _connected(pool: str) -> Iterator[SyncPrefectClient]:
    url = PREFECT_API_URL.value()
    if not url:
        raise ParamsError(
            f"{KEY}: {pool} needs a Prefect server, found no PREFECT_API_URL; start one with 'prefect server start', then "
            f"export PREFECT_API_URL=http://127.0.0.1:4200/api, or set {KEY}=null to stay in this process"
        )
    with get_client(sync_client=True) as client:
        yield client


def _find_pool(client: SyncPrefectClient, pool: str) -> WorkPool:
    known = {each.name: each for each in client.read_work_pools()}
    if pool not in known:
        raise ParamsError(
            f"{KEY}: {unknown_name('work pool', pool, known)}; 'prefect work-pool create {pool} --type process' makes it"
        )
    return known[pool]


def _needs_worker(pool: WorkPool) -> bool:
    return not (pool.is_push_pool or pool.is_managed_pool)


def _under_way(client: SyncPrefectClient, pool: str, tag: str) -> FlowRun | None:
    """A run of this very job that has not ended."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags

    wanted = FlowRunFilter(tags=FlowRunFilterTags(all_=[tag, f"pool-{pool}"]))
    runs = client.read_flow_runs(flow_run_filter=wanted)
    return next((each for each in runs if each.state and not each.state.is_final() and not each.state.is_cancelling()), None)


def _submit(client: SyncPrefectClient, run: Run, stages: tuple[str, ...], *, pool: str, folder: Path, tag: str) -> FlowRun:
    """Write the job, make sure of the deployment, and start it as a child of this flow's run."""
    job = Job(
        token=secrets.token_hex(16), params=run.params.model_dump(mode="json"), run_key=run.run_key, stages=stages,
        folders=run.folders, code=code_parts(),
    )  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    write_text(folder / JOB_FILE, job.model_dump_json(indent=1) + "\n")
    deployment = client.create_deployment(
        flow_id=client.create_flow(run_job), name=pool, work_pool_name=pool, entrypoint=ENTRYPOINT, tags=["rootstock"],
        description="The stages that train, handed over by a flow of Rootstock's; made by it, and of no use by itself.",
    )  # fmt: skip
    parameters = {"project": str(Path.cwd()), "job_folder": folder.as_posix(), "token": job.token}
    child: FlowRun = run_deployment(  # type: ignore[assignment]  # a coroutine only where an event loop runs
        deployment, parameters=parameters, timeout=0, tags=["rootstock", tag, f"pool-{pool}"]
    )
    return child
