"""The story of one decision, told from the journal alone: what set it off, what it rests on, and what became of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rootstock.errors import DataError, InputError
from rootstock.journal import Entry
from rootstock.records import Measure
from rootstock.registration.aliases import MODEL_FACT, Aliases
from rootstock.registration.approval import WAITING
from rootstock.registration.decision import DECISION, INVALID_DATA
from rootstock.registration.happenings import SILENT, happening, moved

#: A run key is known by so many of its characters at least; fewer are a version number.
SHORTEST_KEY = 4
#: Of the screen, and of the titles on its left.
WIDTH, INDENT = 120, 13
MARKS = {"pass": "+", "fail": "-", "inconclusive": "?"}
SAID = {
    "pass": "passed every gate",
    "fail": "refused",
    "inconclusive": "not settled",
    INVALID_DATA: "ended before training: the data was refused",
}


@dataclass(frozen=True)
class Story:
    """A decision, and the entries after it that touch its version or its run."""

    decision: Entry
    later: tuple[Entry, ...]


def tell(entries: Sequence[Entry], wanted: str | None, *, model: str) -> Story:
    """The story of a version number, of a run by the start of its key, or (None) of the latest decision on ``model``.

    Raises InputError that says which there are.
    """
    decisions = [entry for entry in entries if entry.kind == DECISION and entry.facts.get(MODEL_FACT, model) == model]
    if not decisions:
        raise InputError(f"model '{model}': expected a decision in the journal, found none; 'rootstock run' makes one")
    decision = decisions[-1] if wanted is None else _find(decisions, wanted, model)
    return Story(decision, tuple(entry for entry in entries if entry.number > decision.number and _touches(entry, decision)))


def _find(decisions: Sequence[Entry], wanted: str, model: str) -> Entry:
    versions = [entry for entry in decisions if entry.facts.get("version") == wanted]
    runs = [entry for entry in decisions if len(wanted) >= SHORTEST_KEY and entry.facts["run_key"].startswith(wanted)]
    if len({entry.facts["run_key"] for entry in runs}) > 1 and not versions:
        raise InputError(f"run '{wanted}': expected the start of one run's key, found {len(runs)} such runs; give more of it")
    for found in (versions, runs):
        if found:
            return found[-1]
    known = [
        f"version {facts['version']}" if facts.get("version") else f"run {facts['run_key'][:12]}" for facts in _facts(decisions)
    ]
    raise InputError(
        f"model '{model}': expected a version or the start of a run's key, found '{wanted}'; known: {', '.join(known)}"
    )


def _facts(entries: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    return (entry.facts for entry in entries)


def _touches(entry: Entry, decision: Entry) -> bool:
    """Whether an entry speaks of the decision's run or version, or moves an alias to the version or away from it."""
    facts, version = entry.facts, decision.facts.get("version")
    if entry.kind in (DECISION, *SILENT) or facts.get(MODEL_FACT) != decision.facts.get(MODEL_FACT, facts.get(MODEL_FACT)):
        return False
    if facts.get("run_key") == decision.facts["run_key"] or (version is not None and facts.get("version") == version):
        return True
    states = moved(entry)
    return version is not None and states is not None and _aliases_of(version, states[0]) != _aliases_of(version, states[1])


def _aliases_of(version: str, aliases: Aliases) -> list[str]:
    return [name for name, held in aliases.model_dump().items() if held == version]


def as_document(story: Story) -> dict[str, Any]:
    """The story for machines: the entry as it stands in the journal, and the later ones."""
    return {"decision": story.decision.model_dump(mode="json"), "later": [entry.model_dump(mode="json") for entry in story.later]}


def as_text(story: Story) -> str:
    """The story on one screen. Raises DataError for a decision of another version of Rootstock that lacks a fact."""
    try:
        return _as_text(story)
    except KeyError as error:
        entry = story.decision
        raise DataError(
            f"entry {entry.number} of the journal: expected a decision with {error}, found none, so it is of another version of "
            f"Rootstock; 'rootstock explain {entry.facts['run_key'][:12]} --json' shows it as it stands"
        ) from error


def _as_text(story: Story) -> str:
    entry, facts = story.decision, story.decision.facts
    named = f"version {facts['version']}" if facts["version"] else f"run {facts['run_key'][:12]}"
    said = SAID[facts["verdict"]] if facts.get("gates") != [] else "no gate was asked"
    lines = [f"{facts['model']} {named}: {said}"]
    lines += textwrap.wrap(facts["reason"], WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    lines += _told(
        "decided", f"{_minute(entry.created)} UTC, for {entry.by}; run {facts['run_key'][:12]}, entry {entry.number} of the journal"
    )
    lines += _told("trigger", facts["trigger"])
    lines += _told("data", _data(facts["data"]))
    if "ranking" in facts:
        lines += _learned(facts)
        lines += _told("gates", *(_gate(result) for result in facts["gates"]))
    lines += _told("after", *(f"{_minute(each.created)} {happening(each)}" for each in story.later))
    lines += _told("approver", *_approvers(story))
    environment = facts["environment"]
    lines += _told(
        "code", f"rootstock {facts['code']['rootstock'][:12]}, python {environment['python']} on {environment['processor']}"
    )
    return "\n".join([*lines, *_told("report", facts["report"])])


def _learned(facts: Mapping[str, Any]) -> Iterator[str]:
    ranking, training, evaluation = facts["ranking"], facts["training"], facts["evaluation"]
    gain = f"predicted gain {_measure(ranking['predicted_gain'])}; " if ranking["predicted_gain"] else ""
    yield from _told(
        "source", f"{ranking['learned_from'] or 'none'} of {ranking['candidates']} candidates: {gain}{ranking['reason']}"
    )
    if ranking["learned_reason"] != ranking["reason"]:
        yield from _told("", ranking["learned_reason"])
    came = f"{training['method']}, {training['seconds']:.0f} s; model {training['model']['sha256'][:12]}"
    yield from _told("training", came)
    yield from _told("measured", f"accuracy {_accuracy(evaluation['model'])}")
    yield from _told("baselines", *(f"{rung['name']} {_accuracy(rung['measures'])}" for rung in evaluation["baselines"]))
    yield from _told("champion", _champion(facts))
    yield from _told("level", _level(facts["looks"]))


def _champion(facts: Mapping[str, Any]) -> str:
    champion = facts["evaluation"]["champion"]
    if champion is None:
        return "there was none to compare with"
    note = f"; {champion['note']}" if champion["note"] else ""
    found = f"accuracy {_accuracy(champion['measures'])} on the same rows" if champion["measures"] else "not scored"
    return f"version {facts['incumbent']}: {found}{note}"


def _level(looks: Mapping[str, Any] | None) -> str:
    if looks is None:
        return "no gates were asked for"
    share = f"alpha {looks['alpha']:g} over {looks['looks']} looks a year, {looks['spent']} spent before"
    return f"{looks['level']:.2g} ({share})"


def _gate(result: Mapping[str, Any]) -> str:
    need = f"; required {result['required']}" if result["required"] else ""
    return f"{MARKS[result['verdict']]} {result['gate']}: {result['observed']}{need}"


def _data(data: Mapping[str, Any]) -> str:
    target = data["target"]
    rows = ", ".join(f"{part['rows']} {name}" for name, part in target.get("splits", {}).items() if part["rows"])
    sources = ", ".join(source["revision"] for source in data["sources"]) or "none"
    said = f"{target['revision']} (md5 {target['md5'][:12]}, git {target['git_sha'][:7]})"
    return f"{said}{f', rows: {rows}' if rows else ''}; sources {sources}"


def _approvers(story: Story) -> tuple[str, ...]:
    """Who let the version into production, besides the gates; who put another in its place is none of them."""
    version = story.decision.facts["version"]
    approvals = [entry for entry in story.later if entry.facts.get("approver") and entry.facts["version"] == version]
    approved = tuple(f"{entry.facts['approver']}, {happening(entry)}" for entry in approvals)
    if approved or not version:
        return approved
    waits = any(entry.kind == WAITING for entry in story.later)
    return (
        ("nobody yet; it waits for 'rootstock promote VERSION --approve --by NAME --reason ...'",) if waits else ("none asked for",)
    )


def _accuracy(measures: Mapping[str, Any]) -> str:
    return _measure(measures["accuracy"]) if "accuracy" in measures else "not measured"


def _measure(given: Mapping[str, Any]) -> str:
    measure = Measure.model_validate(given)
    return f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"


def _minute(created: str) -> str:
    return created[:16].replace("T", " ")


def _told(title: str, *said: str) -> list[str]:
    """What is said under a title, which stands before the first line; long lines go on further in. Empty where nothing is said."""
    lines = [line for text in said for line in textwrap.wrap(text, WIDTH - INDENT, subsequent_indent="  ", break_on_hyphens=False)]
    return [f"  {title if not index else '':<{INDENT - 3}} {line}" for index, line in enumerate(lines)]
