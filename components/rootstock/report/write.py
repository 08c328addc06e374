"""The decision report of a run: one HTML file that fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rootstock.files import write_text
from rootstock.records import NO_TRANSFER, Artifact, EvalReport, Report, RowsFile
from rootstock.report.confusion import confused_pairs, matrix
from rootstock.report.disagreement import BROKEN, MENDED, answered_differently, disagreements
from rootstock.report.figures.curves import curves
from rootstock.report.figures.intervals import Interval, intervals
from rootstock.report.figures.realised import realised
from rootstock.report.figures.reliability import reliability
from rootstock.report.headline import headline, key_numbers
from rootstock.report.lineage import lineage
from rootstock.report.page import render
from rootstock.report.paired import Difference, paired_difference
from rootstock.report.past import realised_choices, record_of, this_choice
from rootstock.report.predictions import MODEL, Bin, Predictions, calibration, mistakes, read_predictions
from rootstock.report.ranked import ranked
from rootstock.report.run_records import GUARD, RunRecords
from rootstock.report.transfer import sentence_of, settled
from rootstock.report.trials import rounds
from rootstock.report.wording import count, percent, points
from rootstock.rows import tested_split

SHOWN_MISTAKES = 15
SHOWN_ROWS = 12
SHOWN_PAIRS = 8
SHOWN_OUTCOMES = 12
FILE = "report.html"

#: Sections of the page: the anchor, the heading, and the record without which the run did not get there.
SECTIONS = (
    ("decision", "Gates", "verdict"),
    ("guard", "Transfer against no transfer", "control"),
    ("sources", "Where to learn from", "ranking"),
    ("trials", "Short trials", "selection"),
    ("history", "Predicted and realised", "history"),
    ("learning", "Learning", "trained"),
    ("ladder", "Beside the baselines", "evaluation"),
    ("disagreement", "Against the champion", "rival"),
    ("errors", "Where it errs", "evaluation"),
    ("validation", "Validation", "validation"),
    ("data", "Data", "prepared"),
    ("lineage", "Lineage", "resolution"),
    ("run", "The run", "resolution"),
)

#: Sections that other records than those of a stage decide: a run that has none of it ended no earlier.
OPTIONAL = frozenset({"guard", "trials", "history", "disagreement"})


def write_report(run: RunRecords, *, task: str, folder: Path) -> Report:
    """Write ``report.html`` into ``folder`` and name it by its hash; the same run gives the same bytes.

    Raises DataError if the evaluation's predictions file lacks a column, StorageError if the disk is full.
    """
    path = folder / FILE
    write_text(path, render("run.html.jinja", _context(run, task)))
    return Report(html=Artifact.of(path))


def _context(run: RunRecords, task: str) -> dict[str, Any]:
    confidence = run.setting("evaluation", "confidence", otherwise=0.95)
    predictions = read_predictions(run.evaluation) if run.evaluation is not None else None
    inflation = run.evaluation.variance_inflation if run.evaluation is not None else 1.0
    gains = _gains(predictions, confidence=confidence, inflation=inflation)
    # The interval of the claim is the gate's own, so that the two never disagree.
    claim = _gains(predictions, confidence=1 - 2 * run.claim_alpha, inflation=inflation).get(NO_TRANSFER)
    reached = [section for section in SECTIONS if getattr(run, section[2]) is not None]
    return {
        "run": run,
        "task": task,
        "confidence": confidence,
        "gains": gains,
        "headline": headline(run, gains),
        "takeaway": sentence_of(run, claim),
        "cards": key_numbers(run, gains, confidence=confidence),
        "reached": reached,
        "not_reached": [heading for anchor, heading, name in SECTIONS if getattr(run, name) is None and anchor not in OPTIONAL],
        "steps": lineage(run),
        "params_text": _yaml(run.params),
        "total_seconds": sum(run.seconds.values()),
        "source_curves": curves(run.tuned.curves) if run.tuned is not None else Markup(),
        "model_curves": curves(run.trained.curves) if run.trained is not None else Markup(),
        **ranked(run),
        "rounds": rounds(run.selection) if run.selection is not None else (),
        **_past(run, claim, task),
        **_guard(run, claim),
        **_evaluated(run, predictions, confidence),
        **_against_champion(run, predictions),
    }


def _gains(predictions: Predictions | None, *, confidence: float, inflation: float) -> dict[str, Difference]:
    if predictions is None or not predictions.ids:
        return {}
    ours = predictions.right(MODEL)
    gains = {}
    for name in predictions.predicted:
        theirs, asked = predictions.right(name), predictions.asked(name)
        if name != MODEL and asked:
            pair = [ours[i] for i in asked], [theirs[i] for i in asked]
            groups = None if predictions.groups is None else predictions.groups[list(asked)]
            gains[name] = paired_difference(*pair, confidence=confidence, inflation=inflation, groups=groups)
    return gains


def _past(run: RunRecords, now: Difference | None, task: str) -> dict[str, Any]:
    if run.history is None:
        return {}
    past = realised_choices(run.history.outcomes, task=task)
    current = this_choice(run, now)
    return {
        "past": tuple(reversed(past[-SHOWN_OUTCOMES:])),
        "current": current,
        "past_record": record_of(past),
        "unpredicted": len(run.history.outcomes) - len(past),
        "realised_figure": realised([*past, *([current] if current is not None else [])]),
    }


def _guard(run: RunRecords, now: Difference | None) -> dict[str, Any]:
    if run.control is None or run.evaluation is None:
        return {}
    named = {"this model": (run.evaluation.measures, "diamond", "model"), "no transfer": (run.control.measures, "circle", "plain")}
    rows = [
        Interval(name, measure.value, measure.low, measure.high, shape, tone)
        for name, (measures, shape, tone) in named.items()
        if (measure := measures.get("accuracy")) is not None
    ]
    results = run.verdict.results if run.verdict is not None else ()
    lead = () if now is None else (Interval("model less no transfer", now.value, now.low, now.high, "diamond", "model"),)
    return {
        "guard_figure": intervals(rows, text=percent),
        "lead_figure": intervals(lead, text=points, reference=0.0),
        "lead": now,
        "found": None if now is None else settled(now, alpha=run.claim_alpha),
        "claim_confidence": 1 - 2 * run.claim_alpha,
        "guard_gate": next((result for result in results if result.gate == GUARD), None),
        "transferred": run.trained is None or run.trained.source is not None,
    }


def _evaluated(run: RunRecords, predictions: Predictions | None, confidence: float) -> dict[str, Any]:
    report = run.evaluation
    if report is None:
        return {}
    bins = int(run.setting("evaluation", "calibration_bins", otherwise=10))
    binned: tuple[Bin, ...] = ()
    if predictions is not None:
        binned = calibration(predictions, bins=bins, confidence=confidence, inflation=report.variance_inflation)
    accuracy = report.measures.get("accuracy")
    return {
        "measured_on": report.measured_on(accuracy.n) if accuracy is not None else f"{run.tested_row}s",
        "ladder_figure": intervals(_ladder(run, report), text=percent, reference=accuracy.value)
        if accuracy is not None
        else Markup(),
        "matrix": matrix(report),
        "class_measures": tuple(dict.fromkeys(name for held in report.per_class.values() for name in held)),
        "pairs": confused_pairs(report, most=SHOWN_PAIRS),
        "bins": binned,
        "reliability_figure": reliability(binned) if binned else Markup(),
        "mistakes": mistakes(predictions, _test_rows(run), most=SHOWN_MISTAKES) if predictions is not None else (),
        "predictions_there": predictions is not None,
    }


def _against_champion(run: RunRecords, predictions: Predictions | None) -> dict[str, Any]:
    if run.evaluation is None or run.rival is None:
        return {}
    found = disagreements(predictions, run.evaluation, _test_rows(run), most=SHOWN_ROWS) if predictions is not None else ()
    differing = answered_differently(predictions) if predictions is not None else {}
    if predictions is None:
        reason = "The predictions file is no longer stored"
    elif not run.rival.measures:
        reason = f"The champion could not be asked about any {run.tested_row}"
    else:
        reason = f"Their probabilities were not kept; {count(sum(differing.values()), 'row')} got another answer"
        reason = reason if differing else "The two give the same answer to every row that both were asked"
    return {
        "disagreements": found,
        "no_disagreement": reason,
        "split_rows": sum(differing.values()),
        "mended": differing.get(MENDED, 0),
        "broken": differing.get(BROKEN, 0),
    }


def _test_rows(run: RunRecords) -> RowsFile | None:
    return run.prepared.target.splits.get(tested_split(run.prepared.target)) if run.prepared is not None else None


def _ladder(run: RunRecords, report: EvalReport) -> list[Interval]:
    rows = [
        Interval(each.name, measure.value, measure.low, measure.high)
        for each in report.baselines
        if (measure := each.measures.get("accuracy")) is not None
    ]
    if report.champion is not None and (measure := report.champion.measures.get("accuracy")) is not None:
        tag = f"version {run.incumbent.version}" if run.incumbent is not None else "in production"
        rows.append(Interval(report.champion.name, measure.value, measure.low, measure.high, "square", "champion", tag))
    accuracy = report.measures["accuracy"]
    return [*rows, Interval("this model", accuracy.value, accuracy.low, accuracy.high, "diamond", "model", "new")]


def _yaml(params: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True, width=110)
