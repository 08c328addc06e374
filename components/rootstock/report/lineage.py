"""Where a model came from: data revisions, the stages' records by hash, the version in the registry."""

from __future__ import annotations

from dataclasses import dataclass

from rootstock.records import DatasetRevision, Record
from rootstock.report.run_records import RunRecords

SHOWN_HASH = 10


@dataclass(frozen=True)
class Node:
    """One thing with a content hash."""

    name: str
    detail: str
    hash: str
    """shortened"""
    full_hash: str


@dataclass(frozen=True)
class Step:
    """Nodes made at the same point of the run."""

    title: str
    nodes: tuple[Node, ...]


def lineage(run: RunRecords) -> tuple[Step, ...]:
    """The steps from data to version; those that the run did not get to are left out."""
    revisions = (run.resolution.target, *run.resolution.sources)
    steps = [Step("Data revisions", tuple(_revision(each) for each in revisions))]
    checked = [_record("prepared rows", run.prepared), _record("validation", run.validation)]
    steps.append(Step("Prepared and checked", tuple(node for node in checked if node)))
    source = run.ranking.chosen_name or "no source" if run.ranking is not None else ""
    tried = run.selection.chosen_name or "no source" if run.selection is not None else ""
    tuned = _record("source tuning", run.tuned, run.tuned.method if run.tuned else "")
    learned = [_record("ranking", run.ranking, source), _record("short trials", run.selection, tried), tuned]
    if run.trained is not None:
        learned.append(_node("model", run.trained.method, run.trained.model.sha256))
    steps.append(Step("Learned", tuple(node for node in learned if node)))
    judged = [_record("baselines", run.ladder), _record("evaluation", run.evaluation)]
    judged.append(_record("gates", run.verdict, run.verdict.verdict if run.verdict else ""))
    steps.append(Step("Judged", tuple(node for node in judged if node)))
    if (done := run.registration) is not None and done.version is not None:
        steps.append(Step("Registered", (_node(f"{done.model} {done.version}", done.alias or "no alias", done.run_id),)))
    return tuple(step for step in steps if step.nodes)


def _revision(revision: DatasetRevision) -> Node:
    return _node(revision.revision, f"git {revision.git_sha[:7]}", revision.md5)


def _record(name: str, record: Record | None, detail: str = "") -> Node | None:
    return None if record is None else _node(name, detail, record.sha256())


def _node(name: str, detail: str, full_hash: str) -> Node:
    return Node(name, detail, full_hash[:SHOWN_HASH], full_hash)
