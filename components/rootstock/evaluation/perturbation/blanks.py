"""More room between words than there should be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation
from rootstock.row_by_row import each_text

if TYPE_CHECKING:
    import numpy as np

KINDS = (" ", "   ", "\t", "\n", "\u00a0")


class Blanks(Perturbation):
    """Every gap between words gets another blank with probability ``share``: one more, three, a tab, a new line or a hard blank."""

    name: Literal["blanks"] = "blanks"
    reads: ClassVar[str] = "text"
    share: Annotated[float, Field(gt=0, le=1)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return each_text(inputs, self._spread, seed=seed)

    def _spread(self, text: str, random: np.random.Generator) -> str:
        def wider(match: re.Match[str]) -> str:
            return match[0] + (KINDS[random.integers(len(KINDS))] if random.random() < self.share else "")

        return re.sub(r"\s+", wider, text)
