"""A changed panel on the models of the past: what would have been decided, from stored predictions alone."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstock.errors import InputError
from rootstock.evaluation.decide import decide
from rootstock.evaluation.looks import DECISION, RUN_KEY_FACT, YEAR, Look, looks_after
from rootstock.journal import read_journal
from rootstock.params import GatesParams
from rootstock.records import EvalReport, GateVerdict, Looks, Verdict, load_json

#: Characters of a run's key that are shown, and that its folder is called.
SHOWN = 16


@dataclass(frozen=True)
class PastRun:
    """One finished run, as its document tells it."""

    run_key: str
    when: str
    """UTC, ISO 8601"""
    revision: str
    report: EvalReport | None
    was: Mapping[str, Any] | None
    """its verdict, as a mapping: it may be that of an older version"""
    unreadable: str | None
    """why it cannot be judged anew"""


def replay(workspace: str, gates: GatesParams | None) -> dict[str, Any]:
    """Every past run judged by this panel, oldest first; nothing is trained, and nothing written.

    Looks are counted anew, in the order of the runs. Each model is held against the champion of its own time: where an earlier
    decision would have been another, later runs would have met another champion, which nobody has measured.
    Raises InputError if there are no runs.
    """
    found = sorted(past_runs(workspace), key=lambda run: run.when)
    if not found:
        raise InputError(f"{Path(workspace) / 'runs'}: expected runs to judge anew, found none; 'rootstock run' makes one")
    looked: list[Look] = []
    judged, skipped = [], []
    for run in found:
        if run.report is None:
            skipped.append({"run": run.run_key[:SHOWN], "when": run.when, "reason": run.unreadable})
            continue
        verdict, silent = _judge(run.report, _looks(looked, run.when, gates), gates)
        if verdict is None:
            skipped.append({"run": run.run_key[:SHOWN], "when": run.when, "reason": "; ".join(silent.values())})
            continue
        if run.report.champion is not None and run.report.champion.measures:
            looked.append(Look(len(looked) + 1, run.when, verdict.looks.level if verdict.looks is not None else None))
        judged.append(_compared(run, verdict) | {"silent": silent})
    return {"runs": judged, "changed": sum(entry["changed"] for entry in judged), "skipped": skipped}


def _judge(report: EvalReport, looks: Looks, gates: GatesParams | None) -> tuple[GateVerdict | None, dict[str, str]]:
    """The verdict of the gates that can be asked, and why others cannot: what they read was not kept then."""
    try:
        return decide(report, looks, gates=gates, folder=Path()), {}
    except InputError as error:
        reason = str(error)
    if gates is None:
        return None, {"": reason}
    able, silent = [], {}
    for gate in gates.panel:
        try:
            decide(report, looks, gates=gates.model_copy(update={"panel": (gate,)}), folder=Path())
            able.append(gate)
        except InputError as error:
            silent[gate.name] = str(error)
    if not able:
        return None, {"": reason}
    return decide(report, looks, gates=gates.model_copy(update={"panel": tuple(able)}), folder=Path()), silent


def past_runs(workspace: str) -> Iterator[PastRun]:
    """Every finished run in the workspace, in no particular order."""
    times = {entry.facts[RUN_KEY_FACT]: entry.created for entry in read_journal(workspace) if entry.kind == DECISION}
    for path in sorted((Path(workspace) / "runs").glob("*/run.json")):
        document = load_json(path)
        written = datetime.datetime.fromtimestamp(path.stat().st_mtime, tz=datetime.UTC).isoformat(timespec="milliseconds")
        key = str(document.get("run_key", path.parent.name))
        report, unreadable = _report(document.get("evaluation"), path)
        revision = str((document.get("data") or {}).get("revision"))
        yield PastRun(key, times.get(key, written), revision, report, document.get("verdict"), unreadable)


def _report(kept: object, path: Path) -> tuple[EvalReport | None, str | None]:
    if not kept:
        return None, "it ended before anything was measured"
    try:
        return EvalReport.model_validate(kept), None
    except ValueError:
        return None, f"{path}: its evaluation is that of another version of Rootstock"


def _looks(looked: list[Look], when: str, gates: GatesParams | None) -> Looks:
    """What was left of the year's error rate when this run was decided."""
    if gates is None:
        return Looks(alpha=1.0, looks=1, spent=0, level=1.0, earlier=())
    since = datetime.datetime.fromisoformat(when) - YEAR
    return looks_after([each for each in looked if datetime.datetime.fromisoformat(each.created) >= since], gates)


def _compared(run: PastRun, verdict: GateVerdict) -> dict[str, Any]:
    was = run.was or {}
    before: dict[str, Verdict] = {result["gate"]: result["verdict"] for result in was.get("results", ())}
    gates = [
        {"gate": result.gate, "was": before.get(result.gate), "would_be": result.verdict, "reason": result.reason}
        for result in verdict.results
    ]
    return {
        "run": run.run_key[:SHOWN],
        "when": run.when,
        "revision": run.revision,
        "was": was.get("verdict"),
        "would_be": verdict.verdict,
        "changed": was.get("verdict") != verdict.verdict,
        "level": verdict.looks.level if verdict.looks else None,
        "reason": verdict.reason,
        "gates": gates,
    }


def replay_text(found: Mapping[str, Any]) -> str:
    """The table for people: one line a run, newest last, and below a changed one the gates that changed it."""
    lines = []
    for entry in found["runs"]:
        mark = "->" if entry["changed"] else "  "
        after = entry["would_be"] if entry["changed"] else "unchanged"
        lines.append(f"{entry['when'][:16]}  {entry['run']}  {entry['revision']:<20} {entry['was'] or 'none':<13}{mark} {after}")
        if entry["changed"]:
            lines += [
                f"    {gate['gate']}: {gate['was'] or 'not asked'} -> {gate['would_be']}: {gate['reason']}"
                for gate in entry["gates"]
                if gate["was"] != gate["would_be"]
            ]
        lines += [f"    {name} was not asked: {reason}" for name, reason in entry["silent"].items()]
    lines += [f"{entry['when'][:16]}  {entry['run']}  not judged: {entry['reason']}" for entry in found["skipped"]]
    lines.append(
        f"{found['changed']} of {len(found['runs'])} decisions would change; nothing was trained. Each model was held against the "
        "champion of its own time."
    )
    return "\n".join(lines)
