"""A text that was cut off."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation


class Truncation(Perturbation):
    """The first ``share`` of the words stays, one at least, as they stood; of a text of one word, that share of its characters.

    Chinese, Japanese and Thai are written without blanks: a text may then be one word.
    """

    name: Literal["truncation"] = "truncation"
    reads: ClassVar[str] = "text"
    share: Annotated[float, Field(gt=0, lt=1)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return [self._cut(text) for text in inputs]

    def _cut(self, text: str) -> str:
        ends = [match.end() for match in re.finditer(r"\S+", text)]
        if len(ends) < 2:
            ends = [match.end() for match in re.finditer(r"\S", text)]
        kept = max(1, math.ceil(self.share * len(ends)))
        return text[: ends[kept - 1]] if kept < len(ends) else text
