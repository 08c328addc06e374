"""Leave words out (Iyyer et al. 2015, "Deep unordered composition rivals syntactic methods for text classification", ACL)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import each_text

if TYPE_CHECKING:
    import numpy as np


class WordDropout(Augmentation):
    """Every word is left out with probability ``share``; one always stays."""

    name: Literal["word_dropout"] = "word_dropout"
    reads: ClassVar[str] = "text"
    share: Annotated[float, Field(ge=0, lt=1)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return each_text(inputs, self._thinned, seed=seed)

    def _thinned(self, text: str, random: np.random.Generator) -> str:
        words = text.split()
        stays = random.random(len(words)) >= self.share
        if stays.all():
            return text
        if not stays.any():
            stays[random.integers(len(words))] = True
        return " ".join(word for word, kept in zip(words, stays, strict=True) if kept)
