"""Reliability diagram: share of right answers against stated probability, bin by bin, and how many rows stand in each."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from rootstock.report.figures.svg import element, marker, scale
from rootstock.report.predictions import Bin
from rootstock.report.wording import percent

WIDTH, HEIGHT = 340, 340
LEFT, RIGHT, TOP, BOTTOM = 46, 328, 10, 256
HISTOGRAM_TOP, HISTOGRAM_BOTTOM = 268, 304


def reliability(bins: Sequence[Bin]) -> Markup:
    """The diagram; the dashed diagonal is perfect calibration, whiskers are Wilson intervals."""
    across, up = scale(0, 1, LEFT, RIGHT), scale(0, 1, BOTTOM, TOP)
    frame = Markup()
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        frame += element("line", x1=LEFT, x2=RIGHT, y1=up(share), y2=up(share), class_="grid")
        frame += element("text", percent(share, 0), x=LEFT - 6, y=up(share) + 4, text_anchor="end")
        frame += element("text", percent(share, 0), x=across(share), y=HISTOGRAM_BOTTOM + 16, text_anchor="middle")
    frame += element("line", x1=LEFT, y1=BOTTOM, x2=RIGHT, y2=TOP, class_="reference")
    frame += element("text", "probability the model states", x=(LEFT + RIGHT) / 2, y=HISTOGRAM_BOTTOM + 33, text_anchor="middle")
    most = max((each.rows for each in bins), default=1)
    tall = scale(0, most, 0, HISTOGRAM_BOTTOM - HISTOGRAM_TOP)
    drawn = Markup()
    for each in bins:
        x = across(each.confidence)
        height = tall(each.rows)
        bar = {"x": across(each.low) + 1, "width": across(each.high) - across(each.low) - 2}
        drawn += element("rect", y=HISTOGRAM_BOTTOM - height, height=height, class_="bar", **bar)
        drawn += element("line", x1=x, x2=x, y1=up(each.interval[0]), y2=up(each.interval[1]), class_="whisker")
        drawn += marker("circle", x, up(each.accuracy), "model")
    return element(
        "svg",
        frame,
        drawn,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="square",
        aria_label="reliability diagram: share right against stated probability",
    )
