"""Near duplicates by MinHash: candidates from locality-sensitive hashing, each then checked exactly.

A. Broder, "On the resemblance and containment of documents", 1997. Texts are sets of character 5-grams of their normal form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasketch import MinHash

SHINGLE_CHARACTERS = 5
PERMUTATIONS = 128

#: The bands are laid out for a lower similarity than asked for, and to miss rather little: a pair proposed in vain costs only a
#: second look, while bands laid out for the threshold itself miss two thirds of the pairs that stand just at it.
BAND_SLACK = 0.85
BAND_WEIGHTS = (0.1, 0.9)


def shingles(text: str) -> frozenset[str]:
    """Every run of 5 characters of a normalised text; the text itself if it is shorter."""
    last = max(len(text) - SHINGLE_CHARACTERS, 0)
    return frozenset(text[start : start + SHINGLE_CHARACTERS] for start in range(last + 1))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Size of the intersection over size of the union, 0 to 1."""
    union = len(left | right)
    return len(left & right) / union if union else 1.0


def near_duplicates(texts: Sequence[str], known: Sequence[str], *, similarity: float) -> list[bool]:
    """For each normalised text, whether one of ``known`` has a Jaccard similarity of at least ``similarity``.

    No false positives: what the hashes propose is compared exactly. A pair just at a threshold of .8 or more is found with a
    probability above .99, and nearer pairs more surely.
    """
    from datasketch import MinHashLSH

    known_shingles = [shingles(text) for text in known]
    index = MinHashLSH(threshold=BAND_SLACK * similarity, num_perm=PERMUTATIONS, weights=BAND_WEIGHTS)
    for place, hashes in enumerate(_signatures(known_shingles)):
        index.insert(place, hashes)
    text_shingles = [shingles(text) for text in texts]
    return [
        any(jaccard(mine, known_shingles[place]) >= similarity for place in index.query(hashes))
        for mine, hashes in zip(text_shingles, _signatures(text_shingles), strict=True)
    ]


def _signatures(sets: Sequence[frozenset[str]]) -> list[MinHash]:
    from datasketch import MinHash

    return list(MinHash.bulk([[shingle.encode() for shingle in found] for found in sets], num_perm=PERMUTATIONS, seed=1))
