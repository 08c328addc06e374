"""Near duplicates between two lists of texts: every pair that is alike enough, found exactly.

A text is a set of character 5-grams, compared by Jaccard similarity (A. Broder, "On the resemblance and containment of documents",
1997), or of words. Two that are alike share so many members that they share one of the rarest few of each, too: only pairs that do
are compared, which leaves out what nearly all texts have in common and misses nothing (S. Chaudhuri, V. Ganti and R. Kaushik, "A
primitive operator for similarity joins in data cleaning", ICDE 2006; R. Bayardo, Y. Ma and R. Srikant, "Scaling up all pairs
similarity search", WWW 2007). Which pairs share what is told by products of sparse 0/1 matrices, texts by members.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
#: Sizes -> how many members a text of that size shares at least with one that is alike, whatever the size of that one.
_Fewest = Callable[["NDArray[np.int64]"], "NDArray[np.int64]"]


def near_duplicates(texts: Sequence[str], known: Sequence[str], *, similarity: float) -> NDArray[np.bool_]:
    """(n,) for each of n normalised texts: whether one of ``known`` has a Jaccard similarity of at least ``similarity`` (0..1]."""
    import numpy as np

    def alike(shared: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        return shared >= similarity * (left + right - shared) - _SLACK

    def fewest(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(np.ceil(similarity * sizes - _SLACK), dtype=np.int64)

    return _find([_grams(text) for text in texts], [_grams(text) for text in known], alike, fewest)


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

    def fewest(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(np.maximum(np.maximum(sizes - WORDS_APART, WORDS_SHARED), (sizes + 1) // 2))

    short[short] = _find(words, known_words, alike, fewest)
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


def _find(texts: list[NDArray[np.uint64]], known: list[NDArray[np.uint64]], alike: _Alike, fewest: _Fewest) -> NDArray[np.bool_]:
    import numpy as np

    found = np.zeros(len(texts), dtype=bool)
    vocabulary, counts = np.unique(np.concatenate(known), return_counts=True) if known else (np.empty(0, dtype=np.uint64),) * 2
    if not texts or len(vocabulary) == 0:
        return found
    rank = np.empty(len(vocabulary), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(vocabulary))
    ones, others = _matrix(texts, vocabulary, rank), _matrix(known, vocabulary, rank)
    sizes, known_sizes = (np.array([len(members) for members in sets], dtype=np.int64) for sets in (texts, known))
    rest, known_rest = fewest(sizes) - 1, fewest(known_sizes) - 1  # members beside the rarest
    # Members that no known text has are the rarest of all, and take a place among the rarest without a column.
    rarest = _first(ones, np.diff(ones.indptr) - rest)
    known_rarest = _first(others, known_sizes - known_rest).T.tocsr()
    for part in _blocks(rarest @ np.diff(known_rarest.indptr), BLOCK_PAIRS):
        pairs = (rarest[part] @ known_rarest).tocoo()
        rows, columns = pairs.row + part.start, pairs.col
        # Of two texts, the rarest of one are rarer than the rest of the other: what they share besides is in the rest of one.
        most = pairs.data + np.maximum(rest[rows], known_rest[columns])
        smaller = np.minimum(sizes[rows], known_sizes[columns])
        possible = alike(np.minimum(most, smaller), sizes[rows], known_sizes[columns])
        rows, columns = rows[possible], columns[possible]
        for some in _blocks(smaller[possible], BLOCK_PAIRS):
            shared = np.asarray(ones[rows[some]].multiply(others[columns[some]]).sum(axis=1))
            found[rows[some][alike(shared, sizes[rows[some]], known_sizes[columns[some]])]] = True
    return found


def _blocks(weights: NDArray[np.int64], most: int) -> Iterator[slice]:
    """Slices that cut n weights (n,) into runs of a sum of about ``most``; a larger weight is a run by itself."""
    import numpy as np

    ends = np.cumsum(weights)
    start = 0
    while start < len(weights):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield slice(start, stop)
        start = stop


def _first(matrix: Any, counts: NDArray[np.int64]) -> Any:
    """Of each of n rows of a sparse matrix (n, v) the first ``counts`` (n,) entries."""
    import numpy as np
    from scipy.sparse import csr_array

    lengths = np.diff(matrix.indptr)
    place = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], lengths)
    kept = place < np.repeat(counts, lengths)
    bounds = np.concatenate([[0], np.cumsum(np.clip(counts, 0, lengths))])
    return csr_array((matrix.data[kept], matrix.indices[kept], bounds), shape=matrix.shape)


def _matrix(sets: list[NDArray[np.uint64]], vocabulary: NDArray[np.uint64], rank: NDArray[np.int64]) -> Any:
    """(n, v) sparse 0/1 matrix of the sets' members that are in the sorted vocabulary of v, each in the column of its rank (v,)."""
    import numpy as np
    from scipy.sparse import csr_array

    members = np.concatenate(sets)
    places = np.minimum(np.searchsorted(vocabulary, members), len(vocabulary) - 1)
    is_known = vocabulary[places] == members
    ends = np.cumsum([0, *map(len, sets)])
    bounds = np.concatenate([[0], np.cumsum(is_known)])[ends]
    values = np.ones(bounds[-1], dtype=np.int32)
    found = csr_array((values, rank[places[is_known]], bounds), shape=(len(sets), len(vocabulary)))
    found.sort_indices()
    return found
