"""Near duplicates: exact where they are proposed, and almost none missed."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.validation.near_duplicates import BAND_SLACK, BAND_WEIGHTS, PERMUTATIONS, jaccard, near_duplicates, shingles


def test_jaccard_of_known_sets() -> None:
    assert jaccard(frozenset("abc"), frozenset("bcd")) == pytest.approx(0.5)
    assert jaccard(frozenset(), frozenset()) == 1.0


def test_shingles_are_every_run_of_five_characters() -> None:
    assert shingles("abcdefg") == {"abcde", "bcdef", "cdefg"}
    assert shingles("abc") == {"abc"}


def test_the_hashes_find_nearly_every_pair_that_comparing_all_pairs_finds_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    known = ["".join(rng.choice(letters, 300)) for _ in range(80)]
    texts = []
    for text in known:
        changed = list(text)
        for place in rng.choice(300, rng.integers(0, 9), replace=False):
            changed[place] = "#"
        texts.append("".join(changed))
    all_pairs = [any(jaccard(shingles(text), shingles(other)) >= 0.9 for other in known) for text in texts]
    found = near_duplicates(texts, known, similarity=0.9)
    assert 10 < sum(all_pairs) < 70
    assert not any(mine and not truth for mine, truth in zip(found, all_pairs, strict=True))
    assert sum(found) >= 0.98 * sum(all_pairs)


@pytest.mark.parametrize("similarity", [0.8, 0.9, 0.95])
def test_a_pair_just_at_the_threshold_is_proposed_with_a_probability_above_99_percent(similarity: float) -> None:
    from datasketch import MinHashLSH

    index = MinHashLSH(threshold=BAND_SLACK * similarity, num_perm=PERMUTATIONS, weights=BAND_WEIGHTS)
    assert 1 - (1 - similarity**index.r) ** index.b > 0.99


def test_nothing_known_finds_nothing() -> None:
    assert near_duplicates(["some text"], [], similarity=0.9) == [False]
