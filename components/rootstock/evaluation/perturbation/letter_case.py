"""The shift key, held or forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from rootstock.part import Perturbation


class LetterCase(Perturbation):
    """The whole text in capitals (``upper``) or without any (``lower``). A tokenizer without case does not see it."""

    name: Literal["letter_case"] = "letter_case"
    reads: ClassVar[str] = "text"
    to: Literal["upper", "lower"]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return [text.upper() if self.to == "upper" else text.lower() for text in inputs]
