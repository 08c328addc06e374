"""The monitoring timeline: effect, p-value and accuracy window by window, and the champion that answered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby

from markupsafe import Markup

from rootstock.report.figures.svg import element, marker, number, scale, ticks
from rootstock.report.window_line import WindowLine, effect_ratio
from rootstock.report.wording import clip, percent, plain

MARKS = {"quiet": "circle", "alarm": "triangle", "retrain": "diamond", "promoted": "star"}
LEFT, MARGIN, STRIP, GAP = 64, 20, 110, 46
#: Larger effects and smaller p-values are drawn at the edge, so that one extreme window does not flatten the rest.
TOP_RATIO, LEAST_P = 6.0, 1e-5


def timeline(windows: Sequence[WindowLine]) -> Markup:
    """The picture; empty without windows."""
    if not windows:
        return Markup("")
    width = max(920, LEFT + MARGIN + 26 * len(windows))
    # A lone window stands in the middle; several keep half a step of air at both ends.
    air = 0.5
    across = scale(-air, len(windows) - 1 + air, LEFT, width - MARGIN)
    strips: list[Callable[[Sequence[WindowLine], Callable[[float], float], float], Markup]] = [_effects, _p_values]
    if any(window.accuracy is not None for window in windows):
        strips.append(_accuracies)
    top, drawn = 46.0, _champions(windows, across, 42.0 + len(strips) * (STRIP + GAP))
    for strip in strips:
        drawn += element("line", x1=LEFT, x2=width - MARGIN, y1=top + STRIP, y2=top + STRIP, class_="tick")
        drawn += strip(windows, across, top)
        top += STRIP + GAP
    drawn += _feet(windows, across, top + 34)
    return element(
        "svg",
        drawn,
        viewBox=f"0 0 {width} {number(top + 42)}",
        role="img",
        class_="timeline",
        aria_label="drift effect, p-value and accuracy by window",
    )


def _effects(windows: Sequence[WindowLine], across: Callable[[float], float], top: float) -> Markup:
    ratios = [min(effect_ratio(worst), TOP_RATIO) if (worst := each.strongest) else math.nan for each in windows]
    highest = max([2.0, *(ratio for ratio in ratios if math.isfinite(ratio))])
    up = scale(0, highest * 1.08, top + STRIP, top)
    floor = element("line", x1=LEFT, x2=across(len(windows) - 0.5), y1=up(1), y2=up(1), class_="reference")
    drawn = _title("Largest effect, in multiples of its floor (dashed)", top) + _scale(ticks(0, highest, 4), up, plain) + floor
    for index, (window, ratio) in enumerate(zip(windows, ratios, strict=True)):
        if math.isfinite(ratio):
            drawn += element("line", x1=across(index), x2=across(index), y1=up(0), y2=up(ratio), class_="grid")
            drawn += _mark(window, across(index), up(ratio))
    return drawn


def _p_values(windows: Sequence[WindowLine], across: Callable[[float], float], top: float) -> Markup:
    up = scale(0, -math.log10(LEAST_P), top + STRIP, top)
    drawn = _title("Smallest p-value of the window (log scale, up is rarer)", top)
    for power in range(0, 6, 1 if STRIP > 150 else 2):
        drawn += element("text", "1" if power == 0 else f"{10.0**-power:g}", x=LEFT - 10, y=up(power) + 4, text_anchor="end")
        drawn += element("line", x1=LEFT - 5, x2=LEFT, y1=up(power), y2=up(power), class_="tick")
    for index, window in enumerate(windows):
        if window.results:
            smallest = max(min(result.p_value for result in window.results), LEAST_P)
            drawn += _mark(window, across(index), up(-math.log10(min(smallest, 1.0))))
    return drawn


def _accuracies(windows: Sequence[WindowLine], across: Callable[[float], float], top: float) -> Markup:
    known = [(index, each, each.accuracy) for index, each in enumerate(windows) if each.accuracy is not None]
    low = min(measure.low for _, _, measure in known)
    high = max(measure.high for _, _, measure in known)
    pad = (high - low) * 0.08 or 0.05
    up = scale(low - pad, high + pad, top + STRIP, top)
    drawn = _title("Accuracy of the champion, where labels are known", top)
    drawn += _scale(ticks(low - pad, high + pad, 4), up, lambda share: percent(share, 0))
    for index, window, measure in known:
        x = across(index)
        drawn += element("line", x1=x, x2=x, y1=up(measure.low), y2=up(measure.high), class_="whisker")
        drawn += _mark(window, x, up(measure.value))
    return drawn


def _champions(windows: Sequence[WindowLine], across: Callable[[float], float], top: float) -> Markup:
    drawn, start = Markup(), 0
    for order, (version, group) in enumerate(groupby(windows, key=lambda window: window.champion)):
        count = len(list(group))
        left, right = across(start - 0.5), across(start + count - 0.5)
        if order % 2 == 0:
            drawn += element("rect", x=left, y=18, width=right - left, height=top, class_="band")
        drawn += element("line", x1=left, x2=left, y1=18, y2=top + 18, class_="grid")
        drawn += element("text", f"champion {clip(version, 12)}", x=left + 6, y=top + 8, class_="strong")
        start += count
    return drawn


def _feet(windows: Sequence[WindowLine], across: Callable[[float], float], y: float) -> Markup:
    every = max(1, math.ceil(76 / (across(1) - across(0)))) if len(windows) > 1 else 1
    return Markup().join(
        element("text", clip(window.label, 11), x=across(index), y=y, text_anchor="middle")
        for index, window in enumerate(windows)
        if index % every == 0
    )


def _mark(window: WindowLine, x: float, y: float) -> Markup:
    return marker(MARKS[window.decision], x, y, window.decision)


def _title(text: str, top: float) -> Markup:
    return element("text", text, x=LEFT + 6, y=top - 10, class_="strong")


def _scale(at: Sequence[float], up: Callable[[float], float], text: Callable[[float], str]) -> Markup:
    return Markup().join(
        element("text", text(each), x=LEFT - 10, y=up(each) + 4, text_anchor="end")
        + element("line", x1=LEFT - 5, x2=LEFT, y1=up(each), y2=up(each), class_="tick")
        for each in at
    )
