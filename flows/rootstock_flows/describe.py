"""One line about a record, for people who watch a run."""

from __future__ import annotations

from functools import singledispatch

from rootstock.records import (
    EvalReport,
    GateVerdict,
    History,
    Incumbent,
    Ladder,
    Looks,
    Measure,
    PreparedData,
    Record,
    Registration,
    Resolution,
    Selection,
    SourceRanking,
    TrainedModel,
    TunedBackbone,
    ValidationReport,
)  # fmt: skip


def interval(measure: Measure) -> str:
    """A number with its interval."""
    return f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"


@singledispatch
def describe(record: Record) -> str:
    """What the record says, in one line."""
    return type(record).__name__


@describe.register
def _(record: Resolution) -> str:
    return f"{record.target.revision} from {', '.join(source.revision for source in record.sources) or 'no sources'}"


@describe.register
def _(record: Incumbent) -> str:
    before = f", beside {len(record.earlier)} before it" if record.earlier else ""
    return f"champion is version {record.version}{before}" if record.version else "no champion yet"


@describe.register
def _(record: History) -> str:
    return f"{len(record.outcomes)} outcome{'s' * (len(record.outcomes) != 1)} of earlier runs"


@describe.register
def _(record: Looks) -> str:
    return f"{record.spent} of {record.looks} looks of the year spent; this one is judged at {record.level:.2g}"


@describe.register
def _(record: PreparedData) -> str:
    rows = {name: split.rows for name, split in record.target.splits.items()}
    groups = {name: f" of {count}" for name, count in record.target.groups.items()}
    since = f" from {record.target.tested_from} on" if record.target.tested_from is not None else ""
    test = f"{rows['test']}{groups.get('test', '')} for the test{since}" if "test" in rows else "tested on out of fold"
    learned = f"{rows['train']} labelled rows{groups.get('train', '')}{' groups' * bool(groups)}"
    return f"{learned}, {test}, {len(record.target.labels)} classes"


@describe.register
def _(record: ValidationReport) -> str:
    failed = [result for result in record.results if not result.passed]
    excluded = f"; excluded: {', '.join(record.excluded_sources)}" if record.excluded_sources else ""
    return f"{'passed' if record.passed else 'FAILED'}: {len(record.results)} checks, {len(failed)} failed{excluded}"


@describe.register
def _(record: SourceRanking) -> str:
    return record.reason


@describe.register
def _(record: Selection) -> str:
    return record.reason


@describe.register
def _(record: TunedBackbone) -> str:
    return (
        f"learned from {record.rows} rows of {record.source}"
        if record.rows
        else f"starts from {record.source or 'the backbone alone'}"
    )


@describe.register
def _(record: TrainedModel) -> str:
    return "; ".join((record.reason, *record.notes))


@describe.register
def _(record: Ladder) -> str:
    return ", ".join(record.rungs)


@describe.register
def _(record: EvalReport) -> str:
    best = max(record.baselines, key=lambda rung: rung.measures["accuracy"].value)
    return (
        f"accuracy {interval(record.measures['accuracy'])} on {record.measures['accuracy'].n} rows; "
        f"best baseline {best.name} {interval(best.measures['accuracy'])}"
    )


@describe.register
def _(record: GateVerdict) -> str:
    return f"{record.verdict}: {record.reason}"


@describe.register
def _(record: Registration) -> str:
    if record.version is None:
        return f"not registered: {record.reason}"
    return f"version {record.version} " + ("waits for approval" if record.waits else f"is {record.alias or 'registered'}")
