"""A decided run, gone through again from the data revision on, in a workspace of its own."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstock.data import registry
from rootstock.errors import DataError, Refusal
from rootstock.evaluation.same_answers import SameAnswers, compare_answers
from rootstock.installation import code_parts, differences, environment
from rootstock.journal import Entry
from rootstock.params import Params, parse_params
from rootstock.records import (
    Artifact,
    DatasetRevision,
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    Looks,
    Record,
    Resolution,
    ValidationReport,
)
from rootstock.registration.kept import kept_history, kept_incumbent
from rootstock.stages import STAGES, Stage, stage_folder, stage_key

from rootstock_flows.describe import describe
from rootstock_flows.in_processes import run_stage_as_asked
from rootstock_flows.session import say

FOLDER = "reproduce"
#: Where nobody was compared with a champion, no level was given.
FREE = Looks(alpha=1.0, looks=1, spent=0, level=1.0, earlier=())


@dataclass(frozen=True)
class Reproduction:
    """What came of it."""

    run_key: str
    version: str | None
    answers: SameAnswers
    verdict_before: str
    verdict_again: str
    elsewhere: tuple[str, ...]
    """how code and environment differ from then, a line each"""
    seconds: float
    workspace: str

    def as_document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "run_key": self.run_key, "version": self.version, "identical": self.answers.identical, "within": self.answers.within,
            "answers": self.answers.model_dump(mode="json"), "verdict_before": self.verdict_before,
            "verdict_again": self.verdict_again, "environment": list(self.elsewhere), "seconds": self.seconds,
        }  # fmt: skip

    def as_text(self) -> str:
        """For people."""
        named = f"version {self.version}" if self.version else f"run {self.run_key[:12]}"
        gap = self.answers.difference
        spread = f"{gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
        if self.answers.identical:
            shift = f"largest shift of a probability {self.answers.largest_shift:.1g}"
            said = f"identical labels on all {self.answers.rows} test rows ({shift})"
        elif self.answers.within:
            said = (
                f"{self.answers.differing} of {self.answers.rows} labels differ; accuracy again less before {spread}: within chance"
            )
        else:
            said = (
                f"{self.answers.differing} of {self.answers.rows} labels differ; accuracy again less before {spread}: NOT the same"
            )
        return "\n".join(
            [
                f"{named}: {said}",
                f"gates then: {self.verdict_before}, again: {self.verdict_again}; {self.seconds:.0f} s",
                *(f"not as then: {line}" for line in self.elsewhere or ("nothing that is known of",)),
            ]
        )


def reproduce(decision: Entry, *, params: Params) -> Reproduction:
    """Go through a decision's run again, with its params, its data revisions, the champion and the history that it met.

    ``params`` say where the workspace and its registries are. The fresh workspace, WORKSPACE/reproduce/KEY, is left only where the
    answers differ. Raises DataError if anything that the run began with is no longer as it was, Refusal if the data is refused now.
    """
    facts, started = decision.facts, time.perf_counter()
    if "predictions" not in facts:
        raise DataError(
            f"entry {decision.number}: expected a run that trained a model, found one that ended before: {facts['reason']}"
        )
    workspace = Path(params.workspace) / FOLDER / facts["run_key"][:16]
    shutil.rmtree(workspace, ignore_errors=True)
    given = parse_params(facts["params"], f"params of entry {decision.number} of the journal")
    given = given.model_copy(update={"workspace": workspace.as_posix()})
    records: dict[type[Record], Record] = {
        Resolution: _resolution(facts["data"]),
        Incumbent: kept_incumbent(decision, workspace=params.workspace, folder=workspace / "incumbent"),
        History: kept_history(decision, workspace=params.workspace),
        Looks: Looks.model_validate(facts["looks"]) if facts["looks"] is not None else FREE,
    }
    for stage in STAGES:
        if not stage.volatile:
            _run(stage, records, given, facts["run_key"])
    report, verdict = records[EvalReport], records[GateVerdict]
    if not (isinstance(report, EvalReport) and isinstance(verdict, GateVerdict)):
        raise TypeError("records are kept by their types")
    before = Artifact.model_validate(facts["predictions"])
    found = compare_answers(before, report.predictions, confidence=given.evaluation.confidence)
    if found.identical:
        shutil.rmtree(workspace)
    return Reproduction(
        run_key=facts["run_key"],
        version=facts["version"],
        answers=found,
        verdict_before=facts["verdict"],
        verdict_again=verdict.verdict,
        elsewhere=(*differences(facts["code"], code_parts()), *differences(facts["environment"], environment())),
        seconds=time.perf_counter() - started,
        workspace=workspace.as_posix(),
    )


def _run(stage: Stage, records: dict[type[Record], Record], params: Params, run_key: str) -> None:
    started = time.perf_counter()
    folder = stage_folder(stage, stage_key(stage, records, params), params.workspace)
    record = run_stage_as_asked(stage, records, params=params, folder=folder, run_key=run_key)
    records[stage.output] = record
    say(f"  {stage.name:<10} {describe(record)}  {time.perf_counter() - started:.1f} s")
    if isinstance(record, ValidationReport) and not record.passed:
        raise Refusal(
            "the checks refuse the data that they let pass then: code or environment differ; 'rootstock explain' tells how"
        )


def _resolution(data: dict[str, Any]) -> Resolution:
    """The revisions as they were named, if the data registry still holds them as they were."""
    path = Path(data["registry"])

    def unchanged(named: dict[str, Any]) -> DatasetRevision:
        before = DatasetRevision.model_validate({key: named[key] for key in DatasetRevision.model_fields})
        now = registry.resolve(path, before.dataset, before.revision)
        if now != before:
            raise DataError(
                f"{path}: expected {before.revision} with md5 {before.md5[:12]} at git {before.git_sha[:7]}, found md5 "
                f"{now.md5[:12]} at git {now.git_sha[:7]}; the tag was moved: restore the data registry"
            )
        return before

    sources = tuple(unchanged(source) for source in data["sources"])
    return Resolution(registry=data["registry"], target=unchanged(data["target"]), sources=sources)
