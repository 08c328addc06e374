"""Do two sources hold the same rows? Then one of them adds nothing to the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from rootstock.normal_form import normal_inputs
from rootstock.records import Dataset
from rootstock.rows import read_split


def share_of_rows(sources: Sequence[Dataset]) -> Callable[[str, str], float]:
    """What tells of two sources, by their names, the share of the smaller one's inputs that the other has too, 0 to 1.

    Inputs are the same that are equal in normal form (images: equal bytes). A source is read when it is first asked about.
    """
    known = {source.name: source for source in sources}

    @cache
    def inputs(name: str) -> frozenset[object]:
        return frozenset(normal_inputs(read_split(known[name], "train")))

    def share(one: str, other: str) -> float:
        return len(inputs(one) & inputs(other)) / max(1, min(len(inputs(one)), len(inputs(other))))

    return share
