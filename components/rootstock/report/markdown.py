"""Markdown from values that nobody has checked: a label may hold anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rootstock.report.wording import clip

#: Characters that mean something in Markdown or HTML.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def cell(text: object, limit: int = 300) -> str:
    """Text on one line that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(clip(text, limit).split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells; a line that says so where there is no row."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(head), _row(["---"] * len(head)), *lines]) if lines else "None."


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
