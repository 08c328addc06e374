"""What a model card says to people, a section a function."""

from __future__ import annotations

from rootstock.records import ROW_NOUN, EvalReport, Measure, PreparedData, TrainedModel, sources_of
from rootstock.report.markdown import cell, table
from rootstock.report.run_records import RunRecords
from rootstock.report.slices import slice_accuracies
from rootstock.report.wording import count, duration, listed, percent, sentence, spread, value

#: A class with fewer rows is hardly measured.
FEW_ROWS = 20


def introduction(task: str, report: EvalReport, prepared: PreparedData) -> str:
    """What it is."""
    what = "images" if prepared.target.modality == "image" else "texts"
    labels = ", ".join(cell(label) for label in report.labels)
    return f"A classifier of {what} for the task {cell(task)}, with {count(len(report.labels), 'class')}: {labels}."


def intended_use(report: EvalReport) -> str:
    """What it is for and what not."""
    return (
        "## Intended use\n\n"
        f"Sorting inputs like those of {cell(report.revision)} into exactly one of the classes above, as one of the grounds of a "
        "decision that somebody answers for. It always names a class: an input of none of them gets one too, so look at the "
        "probability. Out of scope: inputs of another origin than the data below, other languages or kinds of pictures, and "
        "decisions about persons without a check of fairness of their own."
    )


def data(run: RunRecords, prepared: PreparedData) -> str:
    """What it was made of, with licences."""
    target = prepared.target
    splits = ", ".join(f"{part.rows} {name}" for name, part in target.splits.items())
    revisions = [
        (
            cell(each.revision.revision),
            role,
            f"`{each.revision.md5}`",
            f"`{each.revision.git_sha[:12]}`",
            cell(each.licence or "not stated"),
        )
        for each, role in [(target, "target"), *((source, _role(run, source.name)) for source in prepared.sources)]
    ]
    contamination = [
        f"{cell(source.name)}: {source.contamination.exact} equal and {source.contamination.near} nearly equal rows were dropped, "
        f"for the target's {run.tested_row}s hold them"
        + (f", and {source.contamination.labelled} that its rows to learn from hold." if source.contamination.labelled else ".")
        for source in prepared.sources
        if source.contamination is not None and source.contamination.dropped
    ]
    backbone = f"\n\nThe backbone's licence: {cell(run.backbone_licence or 'not stated')}."
    lines = "\n".join(f"- {line}" for line in contamination)
    return (
        f"## Data and licences\n\nThe target's rows: {splits}.\n\n"
        + table(("revision", "role", "md5 of the rows", "git", "licence"), revisions)
        + backbone
        + (f"\n\n{lines}" if lines else "")
    )


def _role(run: RunRecords, name: str) -> str:
    return "learned from" if run.trained is not None and name in sources_of(run.trained.source) else "considered"


def training(run: RunRecords, trained: TrainedModel) -> str:
    """How it was made."""
    source = f"learned from {cell(trained.source)} first" if trained.source else "learned from no source"
    why = run.ranking.reason if run.ranking is not None else ""
    settings = ", ".join(f"{key} {cell(setting)}" for key, setting in trained.settings.items() if key != "name")
    return "\n".join(
        [
            "## Training",
            "",
            f"- Transfer: {source}. {cell(sentence(why))}",
            f"- Method: {cell(trained.method)}. {cell(sentence(trained.reason))}",
            f"- Settings: {settings or 'none'}.",
            *(f"- {cell(sentence(note))}" for note in trained.notes),
        ]
    )


def results(run: RunRecords, report: EvalReport) -> str:
    """How well it does, beside the baselines."""
    measured = [(cell(name), value(m), spread(m), str(m.n), _direction(m)) for name, m in report.measures.items()]
    others = [
        (cell(each.name), value(measure), spread(measure), cell(each.note))
        for each in (*report.baselines, *((run.rival,) if run.rival is not None else ()))
        if (measure := each.measures.get("accuracy")) is not None
    ]
    confidence = run.setting("evaluation", "confidence", otherwise=0.95)
    how = (
        "rows held out from all training"
        if report.rows == "held_out"
        else "labelled rows, each answered by fits that did not see it (repeated cross-validation); intervals are widened for that"
    )
    if report.groups is not None:
        how += f"; they are of {report.groups:,} groups, of which none was learned from, and intervals are as wide as that asks for"
    return (
        f"## Results\n\nMeasured on {how}; intervals at {confidence * 100:g} %.\n\n"
        + table(("measure", "value", "interval", "rows", "better"), measured)
        + "\n\nBaselines and the champion before it, on the same rows:\n\n"
        + table(("model", "accuracy", "interval", "what it is"), others)
    )


def _direction(measure: Measure) -> str:
    return "higher" if measure.higher_is_better else "lower"


def slices(report: EvalReport) -> str:
    """Where it does better and worse."""
    classes = [
        (cell(label), *(f"{value(m)} ({spread(m)})" for m in measures.values()), str(sum(report.confusion[index])))
        for index, label in enumerate(report.labels)
        if (measures := report.per_class.get(label))
    ]
    named = next(iter(report.per_class.values()), {})
    text = "## Classes and slices\n\n" + table(("class", *named, "rows"), classes)
    found = slice_accuracies(report)
    if not found:
        return f"{text}\n\nNo further slices were kept."
    rows = [
        (
            cell(each.column),
            cell(each.value),
            percent(each.accuracy),
            f"{percent(each.low)} to {percent(each.high)}",
            str(each.rows),
        )
        for each in found
    ]
    return f"{text}\n\n" + table(("slice of", "value", "accuracy", "95 % interval", "rows"), rows)


def gates(run: RunRecords) -> str:
    """What it had to pass."""
    if run.verdict is None or not run.verdict.results:
        return "## Gates\n\nNone were asked for."
    rows = [(cell(r.gate), r.verdict, cell(r.observed), cell(r.required)) for r in run.verdict.results]
    looks = run.verdict.looks
    level = (
        f"\n\nCompared with the champion at the level {looks.level:.2g}: alpha {looks.alpha:g} for {count(looks.looks, 'look')} a "
        f"year, {looks.spent} spent before."
        if looks is not None
        else ""
    )
    return (
        f"## Gates\n\n{cell(sentence(run.verdict.reason))}\n\n" + table(("gate", "verdict", "observed", "required"), rows) + level
    )


def limits(run: RunRecords, report: EvalReport, prepared: PreparedData) -> str:
    """What it cannot do, and what was not shown."""
    said = [
        f"It knows {count(len(report.labels), 'class')} and no answer such as 'none of these'.",
        f"It reads at most {run.params['data']['modality']['max_tokens']} tokens of a text; what follows is not seen."
        if "max_tokens" in run.params.get("data", {}).get("modality", {})
        else "",
        _few(report),
        _weakest(report),
        f"Made from {count(prepared.target.splits['train'].rows, 'labelled row')}.",
        *(
            f"Not shown: {result.gate}: {result.reason}."
            for result in (run.verdict.results if run.verdict else ())
            if result.verdict != "pass"
        ),
        f"Its probabilities and accuracy hold for inputs like the {run.tested_row}s; 'rootstock monitor' tells when these change.",
    ]
    return "## Limits\n\n" + "\n".join(f"- {cell(sentence(line), 600)}" for line in said if line)


def _few(report: EvalReport) -> str:
    few = [f"{label} ({rows})" for label, rows in zip(report.labels, map(sum, report.confusion), strict=True) if rows < FEW_ROWS]
    return f"Fewer than {FEW_ROWS} {ROW_NOUN[report.rows]}s, so hardly measured: {listed(few)}" if few else ""


def _weakest(report: EvalReport) -> str:
    recalls = {label: held["recall"] for label, held in report.per_class.items() if "recall" in held}
    if not recalls:
        return ""
    label = min(recalls, key=lambda name: recalls[name].value)
    return f"Least often recognised: {label}, {value(recalls[label])} of its rows ({spread(recalls[label])})"


def cost(run: RunRecords, report: EvalReport, trained: TrainedModel) -> str:
    """What training it took, and what asking it takes."""
    lines = [
        f"Training: {duration(sum(run.seconds.values()))} for the whole run, {duration(trained.seconds)} of it for the model, "
        f"at most {trained.peak_mib:.0f} MiB of memory.",
        f"Parameters: {trained.total_parameters:,}, of which {trained.trainable_parameters:,} were trained.",
    ]
    cost = report.reloading.cost if report.reloading is not None else None
    if cost is not None:
        lines.append(
            f"Prediction: {value(cost.milliseconds_per_row)} ({spread(cost.milliseconds_per_row)}) a row, {cost.mib:.0f} MiB on "
            f"disk, at most {cost.peak_mib:.0f} MiB of memory, on {cost.machine} with {count(cost.threads, 'thread')}."
        )
    return "## Cost\n\n" + "\n".join(f"- {cell(line, 600)}" for line in lines)


def provenance(run: RunRecords, trained: TrainedModel) -> str:
    """Where its evidence is."""
    return "\n".join(
        [
            "## Provenance",
            "",
            f"- Run `{run.run_key}`, {run.started}; set off: {cell(run.trigger, 400)}.",
            f"- Model folder as it was judged: sha256 `{trained.model.sha256}`.",
            "- `rootstock explain` tells how it was decided, `rootstock verify` whether that record is whole, and "
            "`rootstock reproduce` makes it again.",
            "- `load.py` in the model folder loads it without Rootstock.",
        ]
    )
