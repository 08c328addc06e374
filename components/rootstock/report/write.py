"""The decision report of a run: one HTML file that fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rootstock.files import write_text
from rootstock.records import Artifact, EvalReport, Report, RowsFile
from rootstock.report.confusion import confused_pairs, matrix
from rootstock.report.figures.curves import curves
from rootstock.report.figures.intervals import Interval, intervals
from rootstock.report.figures.reliability import reliability
from rootstock.report.headline import headline, key_numbers
from rootstock.report.lineage import lineage
from rootstock.report.page import render
from rootstock.report.paired import Difference, paired_difference
from rootstock.report.predictions import CHAMPION, MODEL, Predictions, calibration, mistakes, read_predictions
from rootstock.report.run_records import RunRecords
from rootstock.report.wording import percent, points

SHOWN_MISTAKES = 15
SHOWN_PAIRS = 8
FILE = "report.html"

#: Sections of the page: the anchor, the heading, and the record without which the run did not get there.
SECTIONS = (
    ("decision", "Gates", "verdict"),
    ("sources", "Where to learn from", "ranking"),
    ("learning", "Learning", "trained"),
    ("ladder", "Beside the baselines", "evaluation"),
    ("errors", "Where it errs", "evaluation"),
    ("validation", "Validation", "validation"),
    ("data", "Data", "prepared"),
    ("lineage", "Lineage", "resolution"),
    ("run", "The run", "resolution"),
)


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
    gains = _gains(predictions, confidence)
    reached = [section for section in SECTIONS if getattr(run, section[2]) is not None]
    return {
        "run": run,
        "task": task,
        "confidence": confidence,
        "gains": gains,
        "headline": headline(run, gains),
        "cards": key_numbers(run, gains, confidence=confidence),
        "reached": reached,
        "not_reached": [heading for anchor, heading, name in SECTIONS if getattr(run, name) is None],
        "steps": lineage(run),
        "params_text": _yaml(run.params),
        "metrics": _metrics(run),
        "chosen_name": _chosen(run),
        "total_seconds": sum(run.seconds.values()),
        **_figures(run),
        **_evaluated(run, predictions, confidence),
    }


def _gains(predictions: Predictions | None, confidence: float) -> dict[str, Difference]:
    if predictions is None or not predictions.ids:
        return {}
    ours = predictions.right(MODEL)
    gains = {}
    for name in predictions.predicted:
        theirs, asked = predictions.right(name), predictions.asked(name)
        if name != MODEL and asked:
            gains[name] = paired_difference([ours[i] for i in asked], [theirs[i] for i in asked], confidence=confidence)
    return gains


def _metrics(run: RunRecords) -> tuple[str, ...]:
    candidates = run.ranking.candidates if run.ranking is not None else ()
    return tuple(dict.fromkeys(name for each in candidates for name in each.scores))


def _figures(run: RunRecords) -> dict[str, Markup]:
    figures = {"ranking_figure": Markup(), "source_curves": Markup(), "model_curves": Markup()}
    if run.ranking is not None:
        rows = [
            Interval(each.source, gain.value, gain.low, gain.high, *_role(each.source == _chosen(run), each.kind))
            for each in run.ranking.candidates
            if (gain := each.predicted_gain) is not None and each.excluded is None
        ]
        figures["ranking_figure"] = intervals(rows, text=points, reference=0.0)
    if run.tuned is not None:
        figures["source_curves"] = curves(run.tuned.curves)
    if run.trained is not None:
        figures["model_curves"] = curves(run.trained.curves)
    return figures


def _chosen(run: RunRecords) -> str | None:
    """Name of the chosen candidate; where no source was chosen, that of the backbone alone."""
    if run.ranking is None or run.ranking.chosen is not None:
        return run.ranking.chosen if run.ranking is not None else None
    return next((each.source for each in run.ranking.candidates if each.kind == run.ranking.chosen_kind), None)


def _role(chosen: bool, kind: str) -> tuple[str, str, str]:
    if chosen:
        return "diamond", "model", "chosen"
    return ("square", "champion", "champion") if kind == CHAMPION else ("circle", "plain", "")


def _evaluated(run: RunRecords, predictions: Predictions | None, confidence: float) -> dict[str, Any]:
    report = run.evaluation
    if report is None:
        return {}
    bins = int(run.setting("evaluation", "calibration_bins", otherwise=10))
    binned = calibration(predictions, bins=bins, confidence=confidence) if predictions is not None else ()
    return {
        "ladder_figure": intervals(_ladder(run, report), text=percent, reference=report.measures["accuracy"].value)
        if "accuracy" in report.measures
        else Markup(),
        "matrix": matrix(report),
        "class_measures": tuple(dict.fromkeys(name for held in report.per_class.values() for name in held)),
        "pairs": confused_pairs(report, most=SHOWN_PAIRS),
        "bins": binned,
        "reliability_figure": reliability(binned) if binned else Markup(),
        "mistakes": mistakes(predictions, _test_rows(run), most=SHOWN_MISTAKES) if predictions is not None else (),
        "predictions_there": predictions is not None,
    }


def _test_rows(run: RunRecords) -> RowsFile | None:
    return run.prepared.target.splits.get("test") if run.prepared is not None else None


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
