"""A text that was cut off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation


class Truncation(Perturbation):
    """The first ``share`` of the words stays, one at least, as they stood."""

    name: Literal["truncation"] = "truncation"
    reads: ClassVar[str] = "text"
    share: Annotated[float, Field(gt=0, lt=1)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return [self._cut(text) for text in inputs]

    def _cut(self, text: str) -> str:
        words = text.split()
        kept = max(1, math.ceil(self.share * len(words)))
        return " ".join(words[:kept]) if kept < len(words) else text
