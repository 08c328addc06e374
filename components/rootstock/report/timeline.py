"""The monitoring loop's timeline: one HTML file that fetches nothing, a window a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from rootstock.files import write_text
from rootstock.report.figures.svg import marker
from rootstock.report.figures.timeline import MARKS, timeline
from rootstock.report.page import render
from rootstock.report.window_line import WindowLine, effect_ratio
from rootstock.report.wording import count, listed, sentence

FILE = "timeline.html"
#: Views shown in the map, those with the largest effects first.
SHOWN_VIEWS = 24

MEANINGS = {
    "quiet": "no drift",
    "alarm": "drift, and no retraining",
    "retrain": "retraining, and the champion kept",
    "promoted": "retraining, and a new champion",
}


def write_timeline(windows: Sequence[WindowLine], *, task: str, folder: Path) -> Path:
    """Write ``timeline.html`` into ``folder`` from windows in order of time; the same windows give the same bytes.

    Raises StorageError if the disk is full.
    """
    path = folder / FILE
    context: dict[str, object] = {
        "task": task,
        "windows": tuple(windows),
        "picture": timeline(windows),
        "headline": _headline(windows),
        "legend": [(_legend(decision), decision, meaning) for decision, meaning in MEANINGS.items()],
        "views": _views(windows),
        "effect_ratio": effect_ratio,
    }
    write_text(path, render("timeline.html.jinja", context))
    return path


def _headline(windows: Sequence[WindowLine]) -> str:
    if not windows:
        return "No window has been looked at yet."
    kinds: list[str] = [window.decision for window in windows]
    parts = [count(kinds.count("quiet"), "quiet window")]
    parts += [
        count(found, word)
        for kind, word in (("alarm", "alarm"), ("retrain", "retraining"), ("promoted", "promotion"))
        if (found := kinds.count(kind))
    ]
    return sentence(f"{listed(parts)}; champion now: version {windows[-1].promoted or windows[-1].champion}")


def _legend(decision: str) -> Markup:
    drawing = marker(MARKS[decision], 9, 9, decision)
    return Markup('<svg class="mark-box" width="18" height="18" aria-hidden="true">{}</svg>').format(drawing)


def _views(windows: Sequence[WindowLine]) -> list[tuple[str, list[tuple[float, bool] | None]]]:
    """Rows of the map: a view's name, then for each window (effect in floors, drifted), None where it was not compared."""
    names = dict.fromkeys((result.test, result.view) for window in windows for result in window.results)
    rows: list[tuple[str, list[tuple[float, bool] | None]]] = []
    for test, view in names:
        held = [next((r for r in window.results if (r.test, r.view) == (test, view)), None) for window in windows]
        shown = test.replace("_", " ")
        cells = [None if result is None else (effect_ratio(result), result.drifted) for result in held]
        rows.append((shown if view in (test, "") else f"{shown}: {view}", cells))
    return sorted(rows, key=lambda row: -max(cell[0] for cell in row[1] if cell is not None))[:SHOWN_VIEWS]
