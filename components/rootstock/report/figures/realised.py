"""Predicted against realised gain: a point a choice, the dashed diagonal is a prediction that came true."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from rootstock.report.figures.svg import element, marker, scale, ticks
from rootstock.report.past import Realised
from rootstock.report.wording import clip, points

WIDTH, HEIGHT = 340, 330
LEFT, RIGHT, TOP, BOTTOM = 50, 328, 12, 282


def realised(choices: Sequence[Realised]) -> Markup:
    """The picture, one scale for both axes; empty without choices."""
    if not choices:
        return Markup("")
    held = [v for each in choices for v in (each.predicted, each.realised, each.low, each.high) if math.isfinite(v)]
    low, high = min(0.0, *held), max(0.0, *held)
    pad = (high - low) * 0.06 or 0.01
    low, high = low - pad, high + pad
    across, up = scale(low, high, LEFT, RIGHT), scale(low, high, BOTTOM, TOP)
    frame = Markup()
    for at in ticks(low, high, 5):
        css = "axis-line" if at == 0 else "grid"
        text = points(at).removesuffix(".0")
        frame += element("line", x1=LEFT, x2=RIGHT, y1=up(at), y2=up(at), class_=css)
        frame += element("line", x1=across(at), x2=across(at), y1=TOP, y2=BOTTOM, class_=css)
        frame += element("text", text, x=LEFT - 6, y=up(at) + 4, text_anchor="end")
        frame += element("text", text, x=across(at), y=BOTTOM + 16, text_anchor="middle")
    frame += element("line", x1=LEFT, y1=BOTTOM, x2=RIGHT, y2=TOP, class_="reference")
    frame += element("text", "predicted gain, points", x=(LEFT + RIGHT) / 2, y=BOTTOM + 36, text_anchor="middle")
    middle = (TOP + BOTTOM) / 2
    frame += element("text", "realised gain, points", x=12, y=middle, text_anchor="middle", transform=f"rotate(-90 12 {middle:g})")
    drawn = Markup()
    for each in sorted(choices, key=lambda each: each.now):
        x, y = across(each.predicted), up(each.realised)
        if math.isfinite(each.low) and math.isfinite(each.high):
            drawn += element("line", x1=x, x2=x, y1=up(each.low), y2=up(each.high), class_="whisker now" if each.now else "whisker")
        shape, tone = ("diamond", "model") if each.now else ("circle", "champion past" if each.same_task else "plain")
        gains = f"{points(each.predicted)} predicted, {points(each.realised)} realised"
        told = f"{clip(each.source, 60)} to {clip(each.target, 60)}: {gains}"
        drawn += element("g", element("title", told), marker(shape, x, y, tone))
        if each.now:
            side = ("end", -11) if x > (LEFT + RIGHT) / 2 else ("start", 11)
            drawn += element("text", "this run", x=x + side[1], y=y + 4, text_anchor=side[0], class_="strong")
    label = "predicted against realised gain, in percentage points"
    return element("svg", frame, drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", class_="square", aria_label=label)
