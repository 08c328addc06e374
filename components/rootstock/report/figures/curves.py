"""Learning curves: a small panel a unit, a line a curve, told apart by dash and mark as well as colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from rootstock.records import Curve
from rootstock.report.figures.svg import element, marker, number, scale, ticks
from rootstock.report.wording import clip, plain

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 328, 14, 176
#: One mark a line of a panel; more lines than these go into a further panel.
SERIES = ("circle", "square", "diamond", "triangle")
#: Above so many points a curve is a line without marks.
MARKED_POINTS = 40


def curves(given: Sequence[Curve]) -> Markup:
    """Panels of all curves that have two finite points or more; empty when there is none."""
    drawable = [curve for curve in given if len(_points(curve)) > 1]
    by_unit = groupby(sorted(drawable, key=lambda curve: curve.unit), key=lambda curve: curve.unit)
    panels = ((unit, lines) for unit, group in by_unit for lines in _batches(tuple(group)))
    return Markup().join(_panel(unit, lines) for unit, lines in panels)


def _batches(group: tuple[Curve, ...]) -> list[tuple[Curve, ...]]:
    return [group[start : start + len(SERIES)] for start in range(0, len(group), len(SERIES))]


def _points(curve: Curve) -> list[tuple[float, float]]:
    pairs = zip(curve.x, curve.y, strict=False)
    return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def _panel(unit: str, group: tuple[Curve, ...]) -> Markup:
    xs, ys = zip(*(point for curve in group for point in _points(curve)), strict=True)
    pad = (max(ys) - min(ys)) * 0.06 or 0.05
    low, high = min(ys) - pad, max(ys) + pad
    across, up = scale(min(xs), max(xs), LEFT, RIGHT), scale(low, high, BOTTOM, TOP)
    grid = Markup().join(
        element("line", x1=LEFT, x2=RIGHT, y1=up(y), y2=up(y), class_="grid")
        + element("text", plain(y), x=LEFT - 6, y=up(y) + 4, text_anchor="end")
        for y in ticks(low, high, 4)
    )
    feet = Markup().join(
        element("text", plain(x), x=across(x), y=BOTTOM + 16, text_anchor="middle") for x in ticks(min(xs), max(xs), 6)
    )
    title = element("text", "epochs", x=(LEFT + RIGHT) / 2, y=HEIGHT - 2, text_anchor="middle")
    drawn, keys = Markup(), Markup()
    for index, curve in enumerate(group):
        css = f"series s{index}"
        shape = SERIES[index]
        points = _points(curve)
        path = "M" + "L".join(f"{number(across(x))} {number(up(y))}" for x, y in points)
        drawn += element("path", d=path, class_=css)
        if len(points) <= MARKED_POINTS:
            drawn += Markup().join(marker(shape, across(x), up(y), f"small s{index}") for x, y in points)
        sample = element("path", d="M1 6H27", class_=css) + marker(shape, 14, 6, f"small s{index}")
        key = element("svg", sample, width=28, height=12, aria_hidden="true")
        keys += element("span", key, " ", element("bdi", clip(curve.name, 60)), class_="key")
    drawing = element(
        "svg", grid, feet, title, drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"curves in {unit} over epochs"
    )
    caption = element("figcaption", element("span", unit, class_="unit"), " ", keys)
    return element("figure", caption, drawing, class_="panel")
