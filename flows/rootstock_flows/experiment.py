"""What an experiment shows beside its records: files that ``dvc metrics`` and ``dvc plots`` read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from rootstock.files import write_text
from rootstock.params import Params
from rootstock.records import EvalReport, Record, Resolution

METRICS_FILE = "metrics.json"
CONFUSION_FILE = "confusion.csv"
RELIABILITY_FILE = "reliability.csv"
CODE_FILE = "code_version"


def write_beside(record: Record, *, params: Params, root: Path) -> None:
    """Write into ``root`` what DVC shows of an evaluation, and beside a resolution the code's version, on which all depends."""
    if isinstance(record, EvalReport):
        write_text(root / METRICS_FILE, json.dumps(metrics(record), indent=2) + "\n")
        write_text(root / CONFUSION_FILE, confusion_csv(record))
        write_text(root / RELIABILITY_FILE, reliability_csv(record, bins=params.evaluation.calibration_bins))
    elif isinstance(record, Resolution):
        from rootstock.installation import code_version

        write_text(root / CODE_FILE, code_version() + "\n")


def metrics(report: EvalReport) -> dict[str, dict[str, dict[str, float]]]:
    """model -> measure -> value, low, high; the baselines and the champion beside the model."""
    scored = {"model": report.measures} | {each.name: each.measures for each in report.baselines}
    if report.champion is not None:
        scored["champion"] = report.champion.measures
    return {
        name: {measure: {"value": m.value, "low": m.low, "high": m.high} for measure, m in sorted(measures.items())}
        for name, measures in scored.items()
    }


def confusion_csv(report: EvalReport) -> str:
    """One line a test row: its label and the model's answer. The confusion matrix has the same counts."""
    lines = [
        (label, predicted)
        for label, row in zip(report.labels, report.confusion, strict=True)
        for predicted, count in zip(report.labels, row, strict=True)
        for _ in range(count)
    ]
    return _csv(("label", "predicted"), lines)


def reliability_csv(report: EvalReport, *, bins: int) -> str:
    """One line a bin of stated probability: its mean, the share of right answers, how many rows."""
    from rootstock.report.predictions import calibration, read_predictions

    predictions = read_predictions(report)
    found = calibration(predictions, bins=bins, confidence=0.95, inflation=report.variance_inflation) if predictions else ()
    return _csv(("stated", "right", "rows"), [(f"{b.confidence:.6f}", f"{b.accuracy:.6f}", b.rows) for b in found])


def _csv(header: tuple[str, ...], lines: Iterable[tuple[object, ...]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return buffer.getvalue()
