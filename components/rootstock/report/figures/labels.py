"""Where to write the names of points so that none covers another: greedily, the important ones first."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

#: Around a point: (x, y) direction; beside it reads best.
DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (0.7, -0.7), (0.7, 0.7), (-0.7, -0.7), (-0.7, 0.7))
#: Distances tried; from the second on a line leads from the point to its name.
RADII = (10.0, 24.0, 40.0, 58.0)
MARK = 7.0


@dataclass(frozen=True)
class Box:
    """An upright rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share a point inside."""
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def inside(self, other: Box) -> bool:
        """Whether this one lies in the other."""
        return other.left <= self.left and self.right <= other.right and other.top <= self.top and self.bottom <= other.bottom


@dataclass(frozen=True)
class Place:
    """Where a name stands."""

    box: Box
    anchor: str
    """of SVG text: start, middle or end"""
    leader: tuple[float, float] | None
    """end of the line that leads to the name, where it stands apart"""

    @property
    def x(self) -> float:
        """Where the text is anchored."""
        return {"start": self.box.left, "middle": (self.box.left + self.box.right) / 2, "end": self.box.right}[self.anchor]


def width_of(text: str, size: float) -> float:
    """About the width of a text set in a sans serif of so many pixels, rather too wide than too narrow."""
    return sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62 for letter in text) * size


def place_labels(points: Sequence[tuple[float, float]], names: Sequence[str], *, frame: Box, size: float) -> list[Place | None]:
    """A place for each name, in the order of importance; None where no free one is near. Marks and names stay uncovered."""
    taken = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in points]
    placed: list[Place | None] = []
    for point, name in zip(points, names, strict=True):
        own = Box(point[0] - MARK, point[1] - MARK, point[0] + MARK, point[1] + MARK)
        others = [box for box in taken if box != own]
        free = (
            place
            for place in _around(point, width_of(name, size), size * 1.15)
            if place.box.inside(frame)
            and not any(place.box.overlaps(box) for box in (own, *others))
            and not any(step.overlaps(box) for step in _steps(point, place.leader) for box in others)
        )
        found = next(free, None)
        placed.append(found)
        if found is not None:
            taken += [found.box, *_steps(point, found.leader)]
    return placed


def _steps(point: tuple[float, float], end: tuple[float, float] | None) -> list[Box]:
    """Small boxes along a leading line, clear of the mark that it begins at."""
    if end is None:
        return []
    shares = [step / 12 for step in range(3, 12)]
    places = [(point[0] + (end[0] - point[0]) * share, point[1] + (end[1] - point[1]) * share) for share in shares]
    return [Box(x - 1, y - 1, x + 1, y + 1) for x, y in places]


def _around(point: tuple[float, float], width: float, height: float) -> list[Place]:
    places = []
    for radius in RADII:
        for x, y in DIRECTIONS:
            at, level = point[0] + x * radius, point[1] + y * radius
            anchor = "start" if x > 0 else "end" if x < 0 else "middle"
            left = {"start": at, "middle": at - width / 2, "end": at - width}[anchor]
            top = level - height / 2 + y * height / 2
            leader = None if radius == RADII[0] else (at - 2 * x, level)
            places.append(Place(Box(left, top, left + width, top + height), anchor, leader))
    return places
