"""Near duplicates between two lists of texts: every pair that is alike enough, found exactly.

A text is a set of character 5-grams, compared by Jaccard similarity (A. Broder, "On the resemblance and containment of documents",
1997), or of words. What two texts share is an entry of the product of two sparse 0/1 matrices, texts by members: for some thousand
known texts that costs less than hashing them for an approximate search, and misses nothing.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GRAM_CHARACTERS = 5
#: Texts are a few words apart if no more words than this differ, at least so many are the same, and half of the longer text's.
WORDS_APART, WORDS_SHARED = 2, 2
#: In a longer text, so few words change so few 5-grams that those tell it too.
MOST_WORDS = 50

#: Pairs compared at a time: bounds the memory, not the result.
BLOCK_PAIRS = 4_000_000
#: Multiplier of the polynomial hash of a 5-gram, modulo 2 ** 64 (the fractional part of the golden ratio, as in Knuth's hashing).
_MULTIPLIER = 0x9E3779B97F4A7C15
#: Shares are compared with this slack, because 0.9 * 10 is not 9 in floating point.
_SLACK = 1e-9

#: (shared members, sizes of the ones, sizes of the others) -> which pairs are alike.
_Alike = Callable[["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"], "NDArray[np.bool_]"]


def near_duplicates(texts: Sequence[str], known: Sequence[str], *, similarity: float) -> NDArray[np.bool_]:
    """(n,) for each of n normalised texts: whether one of ``known`` has a Jaccard similarity of at least ``similarity`` (0..1]."""

    def alike(shared: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        return shared >= similarity * (left + right - shared) - _SLACK

    return _find([_grams(text) for text in texts], [_grams(text) for text in known], alike)


def few_words_apart(texts: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) for each of n normalised texts: whether at most two words set it apart from one of ``known``.

    For texts of up to 50 words: of ten, two changed ones change half of the 5-grams, and a copy has a low Jaccard similarity.
    Words count without the signs around them and in any order; at least two, and half of the longer text's, must be the same.
    """
    import numpy as np

    vocabulary: dict[tuple[str, int], int] = {}
    short = np.array([text.count(" ") < MOST_WORDS for text in texts], dtype=bool)
    words = [_words(text, vocabulary) for text, is_short in zip(texts, short, strict=True) if is_short]
    known_words = [_words(text, vocabulary) for text in known if text.count(" ") < MOST_WORDS + WORDS_APART]

    def alike(shared: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        longer = np.maximum(left, right)
        return (longer - shared <= WORDS_APART) & (shared >= WORDS_SHARED) & (2 * shared >= longer)

    short[short] = _find(words, known_words, alike)
    return short


def _grams(text: str) -> NDArray[np.uint64]:
    """Hashes of the different runs of 5 characters; a shorter text is filled up."""
    import numpy as np

    points = np.frombuffer(text.ljust(GRAM_CHARACTERS, "\0").encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(points, GRAM_CHARACTERS)
    powers = np.array([pow(_MULTIPLIER, power, 1 << 64) for power in range(GRAM_CHARACTERS)], dtype=np.uint64)
    hashes = np.sort((windows * powers).sum(axis=1, dtype=np.uint64))
    is_first = np.concatenate([[True], hashes[1:] != hashes[:-1]])  # np.unique hashes, which takes longer on so few
    return np.asarray(hashes[is_first], dtype=np.uint64)


def _words(text: str, vocabulary: dict[tuple[str, int], int]) -> NDArray[np.uint64]:
    """Numbers of a text's words; a word's second occurrence is another member than its first."""
    import numpy as np

    seen: Counter[str] = Counter()
    members = []
    for word in text.split():
        bare = word.strip(string.punctuation) or word
        seen[bare] += 1
        members.append(vocabulary.setdefault((bare, seen[bare]), len(vocabulary)))
    return np.array(members, dtype=np.uint64)


def _find(texts: list[NDArray[np.uint64]], known: list[NDArray[np.uint64]], alike: _Alike) -> NDArray[np.bool_]:
    import numpy as np

    found = np.zeros(len(texts), dtype=bool)
    vocabulary = np.unique(np.concatenate(known)) if known else np.empty(0, dtype=np.uint64)
    if not texts or len(vocabulary) == 0:
        return found
    ones, others = _matrix(texts, vocabulary), _matrix(known, vocabulary).T.tocsr()
    sizes, known_sizes = (np.array([len(members) for members in sets], dtype=np.int64) for sets in (texts, known))
    block = max(1, BLOCK_PAIRS // len(known))
    for start in range(0, len(texts), block):
        pairs = (ones[start : start + block] @ others).tocoo()
        rows = pairs.row + start
        found[rows[alike(pairs.data, sizes[rows], known_sizes[pairs.col])]] = True
    return found


def _matrix(sets: list[NDArray[np.uint64]], vocabulary: NDArray[np.uint64]) -> Any:
    """(n, v) sparse 0/1 matrix of the sets' members that are in the sorted vocabulary of v."""
    import numpy as np
    from scipy.sparse import csr_array

    members = np.concatenate(sets)
    columns = np.minimum(np.searchsorted(vocabulary, members), len(vocabulary) - 1)
    is_known = vocabulary[columns] == members
    ends = np.cumsum([0, *map(len, sets)])
    bounds = np.concatenate([[0], np.cumsum(is_known)])[ends]
    values = np.ones(bounds[-1], dtype=np.int32)
    return csr_array((values, columns[is_known], bounds), shape=(len(sets), len(vocabulary)))
