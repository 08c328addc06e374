"""The stages that train, where the params want them: in this process, or on a work pool."""

from __future__ import annotations

from rootstock.errors import ServiceError
from rootstock.files import sha256_of_json
from rootstock.installation import code_version
from rootstock.records import Record
from rootstock.stages import UNHASHED_SECTIONS, find_stage, load_intact, stage_folder, stage_key

from rootstock_flows.handover import StageDone
from rootstock_flows.in_processes import TRAINING_STAGES
from rootstock_flows.steps import Run

#: Stage -> its record, in order. They follow each other: a worker is handed all of them at once, and loads its libraries once.
TRAINING: dict[str, type[Record]] = {name: find_stage(name).output for name in TRAINING_STAGES}


def fine_tune(run: Run) -> None:
    """Select, tune, fine-tune and fit the baselines. On a work pool only what is not kept already."""
    pool = run.params.compute.finetuning.work_pool
    if pool is None:
        for name, kind in TRAINING.items():
            run.step(name, kind)
        return
    missing = take_kept(run)
    if not missing:
        return
    from rootstock_flows.work_pool import run_on_pool

    def take(done: StageDone) -> None:
        if TRAINING[done.stage] not in run.records:
            run.step(done.stage, TRAINING[done.stage], elsewhere=done)

    run_on_pool(run, missing, pool, key=job_key(run), done=take)
    if left := take_kept(run):
        raise ServiceError(f"work pool {pool}: expected a record of {', '.join(left)}, found none; run the same command again")


def take_kept(run: Run) -> tuple[str, ...]:
    """Take over the stages that are done already; gives the names of those that are not, in order."""
    names = list(TRAINING)
    for index, name in enumerate(names):
        if TRAINING[name] in run.records:
            continue
        stage = find_stage(name)
        folder = stage_folder(stage, stage_key(stage, run.records, run.params), run.params.workspace)
        if load_intact(stage, folder)[0] is None:
            return tuple(names[index:])
        run.step(name, TRAINING[name])
    return ()


def job_key(run: Run) -> str:
    """Hash of all that these stages' results depend on: the same however many of them are done already."""
    stages = [find_stage(name) for name in TRAINING]
    given = {kind for stage in stages for kind in stage.inputs} - set(TRAINING.values())
    records = {kind.__name__: run.records[kind].sha256() for kind in given}
    sections = {name for stage in stages for name in stage.sections} - UNHASHED_SECTIONS
    return sha256_of_json([code_version(), records, run.params.sha256(tuple(sections))])
