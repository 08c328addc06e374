"""Say it in other words (Zhang, Zhao and LeCun 2015, arXiv 1509.01626; Wei and Zou 2019, arXiv 1901.11196)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.finetuning.augmentation.wordnet import open_wordnet
from rootstock.part import Augmentation
from rootstock.row_by_row import each_text

if TYPE_CHECKING:
    import numpy as np

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


class SynonymReplacement(Augmentation):
    """Every English word that has synonyms is replaced by one of them with probability ``share``; function words stay.

    The sense is the word's most usual one, whatever stands beside it, so a few replacements will be wrong: keep ``share`` small.
    ``wordnet`` is a folder with WordNet's database files: /usr/share/wordnet of Debian's package wordnet-base, or
    corpora/wordnet of NLTK's data. Nothing is downloaded.
    """

    name: Literal["synonym_replacement"] = "synonym_replacement"
    reads: ClassVar[str] = "text"
    share: Annotated[float, Field(ge=0, le=1)]
    wordnet: str

    def augment(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        wordnet = open_wordnet(Path(self.wordnet))

        def rephrased(text: str, random: np.random.Generator) -> str:
            def instead(match: re.Match[str]) -> str:
                word = match[0]
                if random.random() >= self.share or word.lower() in ENGLISH_STOP_WORDS:
                    return word
                known = wordnet.synonyms(word.lower())
                return _cased_like(word, known[random.integers(len(known))]) if known else word

            return _WORD.sub(instead, text)

        return each_text(inputs, rephrased, seed=seed)


def _cased_like(word: str, synonym: str) -> str:
    if word.isupper() and len(word) > 1:
        return synonym.upper()
    return synonym[:1].upper() + synonym[1:] if word[:1].isupper() else synonym
