"""The steps of a move of aliases by name, so that a test can end the process at each of them."""

from __future__ import annotations

from collections.abc import Callable

from rootstock.registration.promotion import CHALLENGER, CHAMPION, PREVIOUS

#: In the order in which a promotion passes them.
STEPS = (
    "leased",
    "reconciled",
    "compared",
    "intended",
    "tagged",
    PREVIOUS,
    CHAMPION,
    CHALLENGER,
    "settled",
    "mirrored",
    "released",
)


def _pass_by(step: str) -> None:
    """What is done at a step outside of tests."""


#: Called with the name of each step when it is done.
reached: Callable[[str], None] = _pass_by
