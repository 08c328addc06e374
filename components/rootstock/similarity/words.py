"""Words counted in the texts of two domains: what the metrics of surface likeness share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rootstock.similarity.samples import Texts


@dataclass(frozen=True)
class WordCounts:
    """How often each word of either domain stands in each text."""

    words: tuple[str, ...]
    """f words, sorted"""
    target: Any
    """(n, f) sparse"""
    source: Any
    """(m, f) sparse"""


@lru_cache(maxsize=4)
def count_words(texts: Texts) -> WordCounts | None:
    """Words of two letters or more, in small letters; characters where no text has such a word. None where nothing is written.

    The last few results are kept, for the metrics that read the same texts one after the other: do not change them.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    both = texts.target + texts.source
    analyzer = "word" if any(re.search(r"\w\w", text) for text in both) else "char"
    if analyzer == "char" and not any(text.strip() for text in both):
        return None
    vectorizer = CountVectorizer(analyzer=analyzer)
    counts = vectorizer.fit_transform(both)
    n = len(texts.target)
    return WordCounts(tuple(vectorizer.get_feature_names_out()), counts[:n], counts[n:])
