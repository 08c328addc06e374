"""The journal's entries as lines for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rootstock.journal import Entry
from rootstock.registration.aliases import ADOPTION, ALIASES_FACT, BEFORE_FACT, MODEL_FACT, OUTSIDE_MOVE, SETTLED, Aliases
from rootstock.registration.approval import KINDS, PROMOTION, WAITING
from rootstock.registration.chain import BROKEN_CHAIN
from rootstock.registration.decision import DECISION, INVALID_DATA

OVERRIDE = KINDS["override"]

#: Entries that say that another one was carried out.
SILENT = frozenset({SETTLED})
LONGEST_REASON = 140


def history(entries: Sequence[Entry], *, limit: int | None) -> tuple[Entry, ...]:
    """What happened, newest last; the newest ``limit`` of it."""
    told = tuple(entry for entry in entries if entry.kind not in SILENT)
    return told if limit is None else told[max(len(told) - limit, 0) :]


def tainted_versions(entries: Sequence[Entry]) -> frozenset[tuple[str, str]]:
    """(model, version) that somebody promoted although the gates had not let it pass: marked for ever."""
    return frozenset((entry.facts[MODEL_FACT], entry.facts["version"]) for entry in entries if entry.kind == OVERRIDE)


def line(entry: Entry, *, tainted: frozenset[tuple[str, str]]) -> str:
    """Number, time, what happened, and by whom."""
    mark = " [tainted]" if (entry.facts.get(MODEL_FACT), entry.facts.get("version")) in tainted else ""
    return f"{entry.number:>5}  {entry.created[:16].replace('T', ' ')}  {happening(entry)}{mark}"


def happening(entry: Entry) -> str:
    """What happened, without the time; in the entry's own words where it is of another version and lacks a fact."""
    try:
        return SAID.get(entry.kind, _other)(entry)
    except KeyError:
        return _other(entry)


def moved(entry: Entry) -> tuple[Aliases, Aliases] | None:
    """The aliases before and after an entry; None for one that is not about aliases."""
    if ALIASES_FACT not in entry.facts:
        return None
    before, now = entry.facts.get(BEFORE_FACT) or {}, entry.facts[ALIASES_FACT]
    return Aliases.model_validate(before), Aliases.model_validate(now)


def _decision(entry: Entry) -> str:
    facts = entry.facts
    run, version = f"run {facts['run_key'][:12]}", facts["version"]
    said = {"pass": "passed", "fail": "refused", "inconclusive": "inconclusive", INVALID_DATA: "data refused"}[facts["verdict"]]
    about = f"version {version} ({run})" if version else run
    against = f", against version {facts['compared_with']}" if facts["compared_with"] else ""
    return f"{said}: {about}{against}; trigger {_clip(facts['trigger'])}; {_clip(facts['reason'])}"


def _promotion(entry: Entry) -> str:
    return f"promoted: {_champion(entry)}{_why(entry)}"


def _challenger(entry: Entry) -> str:
    return f"challenger: version {entry.facts['version']}{_why(entry)}"


def _waiting(entry: Entry) -> str:
    return f"waits for approval: version {entry.facts['version']}"


def _rollback(entry: Entry) -> str:
    return f"rolled back: {_champion(entry)}{_by_person(entry)}"


def _approval(entry: Entry) -> str:
    return f"approved and promoted: {_champion(entry)}{_by_person(entry)}"


def _override(entry: Entry) -> str:
    return f"override of the gates' '{entry.facts['verdict']}': {_champion(entry)}{_by_person(entry)}"


def _rebaseline(entry: Entry) -> str:
    return f"new baseline, for the champion could not be scored: {_champion(entry)}{_by_person(entry)}"


def _with_reason(entry: Entry) -> str:
    return f"{entry.kind.replace('_', ' ')}{_why(entry)}"


def _drift(entry: Entry) -> str:
    facts = entry.facts
    views = ", ".join(dict.fromkeys(result["view"] for result in facts["drifted"]))
    found = f"drift in {views}" if views else "no drift"
    decided = f"{'retrain' if facts['retrain'] else 'wait'}: {_clip(facts['reason'])}"
    return f"drift alarm: {found}, window {facts['window']}, version {facts['version']}; {decided}"


def _other(entry: Entry) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in entry.facts.items())
    return f"{entry.kind.replace('_', ' ')}: {_clip(rest)}"


SAID: dict[str, Callable[[Entry], str]] = {
    DECISION: _decision,
    PROMOTION: _promotion,
    "challenger": _challenger,
    WAITING: _waiting,
    "rollback": _rollback,
    "approval": _approval,
    OVERRIDE: _override,
    "rebaseline": _rebaseline,
    OUTSIDE_MOVE: _with_reason,
    ADOPTION: _with_reason,
    BROKEN_CHAIN: _with_reason,
    "drift": _drift,
}


def _champion(entry: Entry) -> str:
    states = moved(entry)
    before = states[0].champion if states is not None else None
    return f"version {entry.facts['version']} is champion{f' in place of version {before}' if before else ''}"


def _by_person(entry: Entry) -> str:
    """Who answers for it: the name given, or else the user who ran the command."""
    return f", by {entry.facts.get('approver') or entry.by}{_why(entry)}"


def _why(entry: Entry) -> str:
    return f"; {_clip(entry.facts['reason'])}" if entry.facts.get("reason") else ""


def _clip(text: object) -> str:
    said = " ".join(str(text).split())
    return said if len(said) <= LONGEST_REASON else f"{said[: LONGEST_REASON - 3]}..."
