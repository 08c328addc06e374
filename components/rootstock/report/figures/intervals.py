"""Dot-and-interval chart: one row a thing, its estimate as a mark, its interval as a line.

Names and values are text of the page, and only the tracks are SVG in per cents of their width: so the chart reflows on a phone,
where names stand above their tracks, and no lettering shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rootstock.report.figures.svg import element, marker, number, scale, ticks
from rootstock.report.wording import clip

TRACK = 28


@dataclass(frozen=True)
class Interval:
    """One row of the chart."""

    name: str
    value: float
    low: float
    high: float
    shape: str = "circle"
    tone: str = "plain"
    """``model``, ``champion`` or ``plain``"""
    tag: str = ""
    prior: tuple[float, float, float] | None = None
    """value, low and high known beforehand, drawn hollow below the estimate"""
    asides: tuple[str, ...] = ()
    """texts beside the value"""


def intervals(
    rows: Sequence[Interval], *, text: Callable[[float], str], reference: float | None = None, shown: Sequence[float] = ()
) -> Markup:
    """The chart; ``text`` words a value, ``reference`` draws a dashed line through all rows, the scale holds ``shown``."""
    finite = [v for row in rows for v in (row.value, row.low, row.high, *(row.prior or ())) if math.isfinite(v)]
    if not finite:
        return Markup("")
    span = [*finite, *shown, *([] if reference is None else [reference])]
    low, high = min(span), max(span)
    pad = (high - low) * 0.04 or abs(high) * 0.1 or 0.1
    place = scale(low - pad, high + pad, 0, 100)
    lines = Markup().join(_row(row, place, text, reference) for row in rows)
    css = "intervals with-asides" if any(row.asides for row in rows) else "intervals"
    return element("div", lines, _axis(low - pad, high + pad, place, text), class_=css)


def _row(row: Interval, place: Callable[[float], float], text: Callable[[float], str], reference: float | None) -> Markup:
    tag = element("span", row.tag, class_="tag") if row.tag else Markup("")
    name = element("div", element("bdi", clip(row.name, 80)), " ", tag, class_="name")
    track = [_line(place(reference), "reference")] if reference is not None else []
    middle = TRACK // 2 if row.prior is None else TRACK // 2 - 4
    track += _mark((row.value, row.low, row.high), place, middle, row.shape, row.tone, "whisker")
    if row.prior is not None:
        track += _mark(row.prior, place, TRACK - 5, "square", "prior", "whisker prior")
    spread = element("span", f"{text(row.low)} to {text(row.high)}", class_="spread")
    value = element("div", element("b", text(row.value)), " ", spread, class_="value")
    drawing = element("svg", *track, class_="track", height=TRACK, width="100%", aria_hidden="true")
    asides = element("div", *(element("span", aside) for aside in row.asides), class_="asides") if row.asides else Markup()
    return element("div", name, drawing, value, asides, class_=f"row {row.tone}")


def _mark(
    held: tuple[float, float, float], place: Callable[[float], float], y: int, shape: str, tone: str, whisker: str
) -> list[Markup]:
    value, low, high = held
    drawn = []
    if math.isfinite(low) and math.isfinite(high):
        drawn.append(element("line", x1=_percent(place(low)), x2=_percent(place(high)), y1=y, y2=y, class_=whisker))
    if math.isfinite(value):
        drawn.append(marker(shape, _percent(place(value)), y, tone))
    return drawn


def _axis(low: float, high: float, place: Callable[[float], float], text: Callable[[float], str]) -> Markup:
    marks = Markup().join(
        element("line", x1=x, x2=x, y1=0, y2=5, class_="tick")
        + element("text", text(at).replace(".0", ""), x=x, y=18, text_anchor="middle")
        for at in ticks(low, high, 6)
        if (x := _percent(place(at)))
    )
    base = element("line", x1="0", x2="100%", y1="0.5", y2="0.5", class_="tick")
    drawing = element("svg", base, marks, class_="track", height=22, width="100%", aria_hidden="true")
    return element("div", element("div", class_="name"), drawing, element("div", class_="value"), class_="row axis")


def _line(at: float, css: str) -> Markup:
    return element("line", x1=_percent(at), x2=_percent(at), y1=0, y2="100%", class_=css)


def _percent(value: float) -> str:
    return f"{number(value)}%"
