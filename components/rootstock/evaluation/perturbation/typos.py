"""Slips of the fingers.

Belinkov and Bisk 2018, "Synthetic and natural noise both break neural machine translation", arXiv 1711.02173.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation
from rootstock.row_by_row import each_text

if TYPE_CHECKING:
    import numpy as np


class Typos(Perturbation):
    """Every letter or digit is mistyped with probability ``share``: left out, doubled, or exchanged with the next, alike often."""

    name: Literal["typos"] = "typos"
    reads: ClassVar[str] = "text"
    share: Annotated[float, Field(gt=0, le=1)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return each_text(inputs, self._mistyped, seed=seed)

    def _mistyped(self, text: str, random: np.random.Generator) -> str:
        hit = random.random(len(text)) < self.share
        kinds = random.integers(0, 3, len(text))
        typed: list[str] = []
        place = 0
        while place < len(text):
            letter, following = text[place], text[place + 1 : place + 2]
            is_hit = bool(hit[place]) and letter.isalnum()
            if is_hit and kinds[place] == 2 and following.isalnum():
                typed += [following, letter]
                place += 1
            elif is_hit:
                typed += [letter, letter] if kinds[place] == 1 else []
            else:
                typed.append(letter)
            place += 1
        # A text of a letter or two may vanish: one that says nothing has no right answer.
        return "".join(typed) if "".join(typed).strip() else text
