"""Run stages as Prefect tasks: cached by content, checked before they are trusted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from rootstock.errors import ServiceError
from rootstock.files import sha256_of_json
from rootstock.params import Params, parse_params
from rootstock.records import Record, SourceRanking
from rootstock.stages import BY_HAND, Stage, find_stage, load_intact, stage_folder, stage_key

from rootstock_flows.describe import describe
from rootstock_flows.embeddings import Scoring
from rootstock_flows.handover import StageDone, not_shared
from rootstock_flows.in_processes import run_stage_as_asked
from rootstock_flows.scoring import score_side_by_side
from rootstock_flows.session import clean_output, say

AnyRecord = TypeVar("AnyRecord", bound=Record)


@task(persist_result=True, result_serializer="json", cache_key_fn=lambda context, given: given["cache_key"])
def run_step(
    *,
    stage: str,
    cache_key: str | None,
    folder: str,
    inputs: dict[str, str],
    params: dict[str, Any],
    run_key: str,
    trigger: str,
    kept: bool,
) -> str:
    """Run one stage from the records in the folders of ``inputs``; gives back the folder of its own record.

    What is ``kept`` is not made again where Prefect's own cache does not know it, as after a run on another machine.
    """
    if kept:
        return folder
    step = find_stage(stage)
    with clean_output():
        records: dict[type[Record], Record] = {kind: kind.load(Path(inputs[kind.__name__])) for kind in step.inputs}
        given = parse_params(params, "params.yaml")
        run_stage_as_asked(step, records, params=given, folder=Path(folder), run_key=run_key, trigger=trigger)
    return folder


async def _service_failed(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what a network may have caused, and nothing else."""
    found = await state.aresult(raise_on_failure=False)
    return isinstance(found, ServiceError)


@dataclass
class Run:
    """One pass through the stages: the records so far, how long each took, which were reused."""

    params: Params
    run_key: str = ""
    trigger: str = BY_HAND
    records: dict[type[Record], Record] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    scoring: Scoring | None = None
    """of the candidates, where that was not kept"""

    def get(self, kind: type[AnyRecord]) -> AnyRecord | None:
        """The record of this type, if its stage has run."""
        found = self.records.get(kind)
        return found if isinstance(found, kind) else None

    def step(self, name: str, kind: type[AnyRecord], *, elsewhere: StageDone | None = None) -> AnyRecord:
        """Run the stage, or take its earlier result if every file of it is still as it was written.

        ``elsewhere`` tells how a worker has just done it. Raises ServiceError if its record is not in the workspace then.
        """
        stage = find_stage(name)
        started = time.perf_counter()
        key = stage_key(stage, self.records, self.params)
        folder = self._folder(stage, key)
        intact, damage = load_intact(stage, folder)
        for reason in damage:
            say(f"  {name:<10} {reason}: this stage runs again")
        if elsewhere is not None and intact is None:
            raise not_shared(elsewhere.host, f"its record of {name} in {folder}", found="none here")
        kept = intact is not None and not stage.volatile
        cache_key = None if stage.volatile else f"rootstock-{sha256_of_json([key, folder.as_posix()])}"
        call: Callable[..., State[str]] = self._task(stage, again=intact is None)
        state = call(
            stage=name,
            cache_key=cache_key,
            folder=folder.as_posix(),
            inputs={kind.__name__: self.folders[kind.__name__] for kind in stage.inputs},
            params=self.params.model_dump(mode="json"),
            run_key=self.run_key,
            trigger=self.trigger,
            kept=kept,
            return_state=True,
        )
        state.result()
        record = kind.load(folder)
        self.keep(record, folder)
        self.seconds[name] = elsewhere.seconds if elsewhere else round(time.perf_counter() - started, 3)
        reused = elsewhere.reused if elsewhere else kept
        if reused:
            self.reused.append(name)
        place = f" on {elsewhere.host}" if elsewhere else ""
        say(f"  {name:<10} {describe(record)}{' (reused)' if reused else f'  {self.seconds[name]:.1f} s{place}'}")
        return record

    def rank(self) -> SourceRanking:
        """The stage ``rank``, after its candidates were scored side by side if it has to run."""
        stage = find_stage("rank")
        kept, _ = load_intact(stage, self._folder(stage, stage_key(stage, self.records, self.params)))
        if kept is None:
            self.scoring = score_side_by_side(self.folders, self.params)
            say(f"    {self.scoring.says()}  {self.scoring.seconds:.1f} s")
        ranking = self.step("rank", SourceRanking)
        if self.scoring is not None:
            self.seconds["rank"] = round(self.seconds["rank"] + self.scoring.seconds, 3)
        return ranking

    def keep(self, record: Record, folder: Path) -> None:
        """Hand a record to the stages that follow."""
        self.records[type(record)] = record
        self.folders[type(record).__name__] = folder.as_posix()

    def _folder(self, stage: Stage, key: str) -> Path:
        if stage.name == "register":
            return Path(self.params.workspace) / "stages" / stage.name / self.run_key[:16]
        return stage_folder(stage, key, self.params.workspace)

    def _task(self, stage: Stage, *, again: bool) -> Task[..., str]:
        flow = self.params.flow
        return run_step.with_options(
            name=stage.name,
            description=stage.says,
            task_run_name=f"{stage.name}: {stage.says}",
            tags=["rootstock", stage.name],
            refresh_cache=again,
            retries=flow.retries if stage.volatile else 0,
            retry_delay_seconds=flow.retry_delay_seconds,
            retry_condition_fn=_service_failed,
            log_prints=False,
        )
