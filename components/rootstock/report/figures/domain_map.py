"""The map of the domains: the target and what could be learned from, by the main directions in which their features differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rootstock.records import sources_of
from rootstock.report.figures.labels import Box, Place, place_labels
from rootstock.report.figures.svg import element, marker
from rootstock.report.wording import clip

WIDTH, HEIGHT = 400.0, 320.0
SIDE, EDGE = 60.0, 28.0
SIZE = 12.5
SHOWN_NAME = 26
#: Above so many domains all but the target and the chosen one are numbered.
MOST_NAMES = 10


@dataclass(frozen=True)
class Neighbour:
    """A domain and how far from the target it lies on the map."""

    name: str
    distance: float
    """as a share of that of the farthest domain"""
    chosen: bool


def neighbours(projection: Mapping[str, tuple[float, float]], *, target: str, chosen: str | None) -> tuple[Neighbour, ...]:
    """Every other domain, nearest first; empty where the target is not on the map."""
    finite = _finite(projection)
    if target not in finite:
        return ()
    learned = sources_of(chosen)
    apart = {name: math.dist(at, finite[target]) for name, at in finite.items() if name != target}
    farthest = max(apart.values(), default=0.0) or 1.0
    near = sorted(apart, key=lambda name: (apart[name], name))
    return tuple(Neighbour(name, apart[name] / farthest, name in learned) for name in near)


def domain_map(projection: Mapping[str, tuple[float, float]], *, target: str, chosen: str | None) -> Markup:
    """The map, with one scale for both axes; empty with fewer than two places."""
    finite = _finite(projection)
    if len(finite) < 2:
        return Markup("")
    strong = (target, *sources_of(chosen))
    order = [name for name in strong if name in finite]
    near = [each.name for each in neighbours(finite, target=target, chosen=chosen)]
    order = list(dict.fromkeys([*order, *near, *sorted(finite)]))
    places = _on_paper([finite[name] for name in order])
    names = [clip(name, SHOWN_NAME) for name in order]
    if is_crowded(finite):
        names = [shown if name in strong else _rank(name, near) for name, shown in zip(order, names, strict=True)]
    labels = place_labels(places, names, frame=Box(2, 2, WIDTH - 2, HEIGHT - 2), size=SIZE)
    frame = element("rect", x=0.5, y=0.5, width=WIDTH - 1, height=HEIGHT - 1, rx=6, class_="frame")
    marks, written = Markup(), Markup()
    for name, shown, (x, y), label in zip(order, names, places, labels, strict=True):
        shape, tone = ("diamond", "model") if name == target else ("square", "champion") if name in strong else ("circle", "plain")
        # The first are the important ones: they are drawn last, on top.
        marks = element("g", element("title", clip(name, 120)), marker(shape, x, y, tone)) + marks
        if label is not None:
            written += _label(shown, label, (x, y), strong=name in strong)
    drawing = (frame, written, marks)
    return element("svg", *drawing, viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", role="img", class_="map", aria_label="map of the domains")


def is_crowded(projection: Mapping[str, tuple[float, float]]) -> bool:
    """Whether the domains are numbered, in the order of ``neighbours``, because their names would not fit."""
    return len(projection) > MOST_NAMES


def _rank(name: str, near: Sequence[str]) -> str:
    return str(near.index(name) + 1) if name in near else ""


def _finite(projection: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    return {name: at for name, at in projection.items() if all(map(math.isfinite, at))}


def _on_paper(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points moved and scaled into the frame, the same in both directions, so that distances can be compared."""
    xs, ys = zip(*points, strict=True)
    across, up = max(xs) - min(xs), max(ys) - min(ys)
    room = min((WIDTH - 2 * SIDE) / (across or 1e-300), (HEIGHT - 2 * EDGE) / (up or 1e-300))
    by = room if math.isfinite(room) and max(across, up) > 0 else 0.0
    middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    return [(WIDTH / 2 + (x - middle[0]) * by, HEIGHT / 2 - (y - middle[1]) * by) for x, y in points]


def _label(text: str, label: Place, point: tuple[float, float], *, strong: bool) -> Markup:
    line = Markup()
    if label.leader is not None:
        line = element("line", x1=point[0], y1=point[1], x2=label.leader[0], y2=label.leader[1], class_="leader")
    css = "strong" if strong else "label"
    baseline = (label.box.top + label.box.bottom) / 2 + SIZE * 0.35
    return line + element("text", text, x=label.x, y=baseline, text_anchor=label.anchor, class_=css)
