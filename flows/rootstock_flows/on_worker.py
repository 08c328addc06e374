"""The stages that train, as a deployment of their own: what a worker of ``compute.finetuning.work_pool`` runs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from prefect import flow
from rootstock.installation import code_parts
from rootstock.params import parse_params
from rootstock.records import Record
from rootstock.stages import find_stage

from rootstock_flows.environment import opt_out
from rootstock_flows.handover import Job, StageDone, beating, not_shared, read_job, require_same_code, write_progress
from rootstock_flows.lock import only_run
from rootstock_flows.steps import Run

#: How a deployment names the flow below; a worker imports it from the installed package, so nothing is pulled.
ENTRYPOINT = "rootstock_flows.on_worker.run_job"


@flow(name="rootstock-finetuning", validate_parameters=False, log_prints=False)
def run_job(project: str, job_folder: str, token: str) -> None:
    """Run a job's stages in the project folder, one after another; each leaves its record where the flow looks for it.

    Raises ServiceError if this worker does not see the flow's files or has other code, and whatever a stage raises.
    """
    opt_out()
    host = socket.gethostname()
    if not Path(project).is_dir():
        raise not_shared(host, f"the project folder {project}", found="none")
    os.chdir(project)
    folder = Path(job_folder)
    job = read_job(folder, token=token, host=host)
    require_same_code(job, code_parts(), host=host)
    params = parse_params(job.params, "params.yaml")
    with beating(folder), only_run(f"{params.task}.finetuning", params.workspace):
        _run_stages(job, Run(params, run_key=job.run_key), folder=folder, host=host)


def _run_stages(job: Job, run: Run, *, folder: Path, host: str) -> None:
    stages = [find_stage(name) for name in job.stages]
    made_here = {stage.output for stage in stages}
    needed: set[type[Record]] = {kind for stage in stages for kind in stage.inputs} - made_here
    for kind in needed:
        where = Path(job.folders[kind.__name__])
        run.keep(kind.load(where), where)
    done: tuple[StageDone, ...] = ()
    for stage in stages:
        run.step(stage.name, stage.output)
        reused = stage.name in run.reused
        done = (*done, StageDone(stage=stage.name, host=host, seconds=run.seconds[stage.name], reused=reused))
        write_progress(folder, done)
