"""Elements, markers and axes that the figures share. Every value is escaped; numbers are rounded, so bytes repeat."""

from __future__ import annotations

import math
from collections.abc import Callable

from markupsafe import Markup, escape

#: Shapes tell marks apart without colour; each is drawn around (0, 0).
SHAPES = {
    "circle": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
    "diamond": "M0 -6.5L6.5 0L0 6.5L-6.5 0Z",
    "square": "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "triangle": "M0 -6L6 5H-6Z",
    "star": "M0 -8L2.1 -2.6L7.6 -2.5L3.2 1L4.7 6.5L0 3.3L-4.7 6.5L-3.2 1L-7.6 -2.5L-2.1 -2.6Z",
}


def number(value: float) -> str:
    """A coordinate with two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """One SVG or HTML element; ``stroke_width=2`` becomes ``stroke-width="2"``, ``class_`` becomes ``class``."""
    parts = Markup()
    for key, value in attributes.items():
        shown = number(value) if isinstance(value, float) else value
        parts += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), parts, Markup().join(escape(inner) for inner in content))


def marker(shape: str, x: object, y: object, css: str) -> Markup:
    """A mark centred on (x, y); both may be percentages, which is why it stands in an ``svg`` of its own."""
    return element("svg", element("path", d=SHAPES[shape]), x=x, y=y, class_=f"mark {css}", overflow="visible")


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Linear map of [low, high] to [start, end]; an empty range maps to the middle."""
    if high <= low:
        return lambda value: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high], about so many."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return (low,) if math.isfinite(low) else ()
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= 0.7 * raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(index * step, 12) + 0.0 for index in range(first, last + 1))
