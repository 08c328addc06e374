"""Near duplicates: the same pairs as by comparing all sets, and short copies that 5-grams do not tell."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from rootstock import near_duplicates as module
from rootstock.near_duplicates import few_words_apart, near_duplicates
from scipy.sparse import csr_array


def jaccard(left: str, right: str) -> float:
    """By the definition, on Python's own sets."""
    one, other = ({text[start : start + 5] for start in range(max(len(text) - 4, 1))} for text in (left, right))
    return len(one & other) / len(one | other)


@pytest.fixture(scope="module")
def pairs() -> tuple[list[str], list[str]]:
    """Texts, and known ones of which they are more or less changed copies."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz \N{SNOWMAN}\N{GRINNING FACE}"))
    known = ["".join(rng.choice(letters, 120)) for _ in range(80)]
    texts = []
    for text in known:
        changed = list(text)
        for place in rng.choice(120, rng.integers(0, 20), replace=False):
            changed[place] = "#"
        texts.append("".join(changed))
    return texts, known


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.9, 1.0])
def test_the_same_rows_are_found_as_by_comparing_all_pairs(pairs: tuple[list[str], list[str]], similarity: float) -> None:
    texts, known = pairs
    expected = [any(jaccard(text, other) >= similarity for other in known) for text in texts]
    assert near_duplicates(texts, known, similarity=similarity).tolist() == expected
    assert 0 < sum(expected) < 80


def test_a_pair_just_at_the_threshold_is_found() -> None:
    assert jaccard("abcdefgh", "abcdefgx") == 0.6
    assert near_duplicates(["abcdefgh"], ["abcdefgx"], similarity=0.6).tolist() == [True]
    assert near_duplicates(["abcdefgh"], ["abcdefgx"], similarity=0.61).tolist() == [False]


def test_blocks_change_nothing(pairs: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = near_duplicates(*pairs, similarity=0.6)
    monkeypatch.setattr(module, "BLOCK_PAIRS", 7 * 80)
    assert near_duplicates(*pairs, similarity=0.6).tolist() == whole.tolist()


def test_texts_shorter_than_a_gram_are_compared_whole() -> None:
    assert near_duplicates(["ab", "ba", ""], ["ab"], similarity=0.5).tolist() == [True, False, False]


@pytest.mark.parametrize("find", [lambda *a: near_duplicates(*a, similarity=0.9), few_words_apart])
@pytest.mark.parametrize(
    ("texts", "known"), [(["some text"], []), ([], ["some text"]), (["some text"], [""]), ([""], ["some text"])]
)
def test_nothing_finds_nothing(find, texts: list[str], known: list[str]) -> None:
    assert find(texts, known).tolist() == [False] * len(texts)


KNOWN = "the battery of this phone died after two days"


@pytest.mark.parametrize(
    "text",
    [
        "the screen of that phone died after two days",
        "the battery of this phone died after two",
        "the (battery) of this phone died, after two days!!!",
        "the battery of this old phone died after just two days",
        "after two days the battery of this phone died",
    ],
)
def test_a_copy_with_at_most_two_words_changed_is_a_few_words_apart(text: str) -> None:
    assert few_words_apart([text], [KNOWN]).tolist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        "the screen of that camera died after two days",
        "the the the the the the the the the",
        "two days",
        "an altogether different text of nine words in all",
    ],
)
def test_a_text_with_more_words_changed_is_not(text: str) -> None:
    assert few_words_apart([text], [KNOWN]).tolist() == [False]


@pytest.mark.parametrize(
    ("text", "known", "is_copy"),
    [
        ("i am tired", "i am late", True),
        ("so tired", "so late", False),
        ("i am", "i am", True),
        ("so good thanks", "not good at", False),
    ],
)
def test_of_very_short_texts_two_words_and_half_must_stay(text: str, known: str, is_copy: bool) -> None:
    assert few_words_apart([text], [known]).tolist() == [is_copy]


def test_two_changed_words_hide_a_short_copy_from_the_grams_but_not_from_the_words() -> None:
    text = "the screen of that phone died after two days"
    assert not near_duplicates([text], [KNOWN], similarity=0.5).any()
    assert few_words_apart([text], [KNOWN]).all()


def apart(left: str, right: str) -> bool:
    """By the definition, on Python's own counts."""
    one, other = Counter(left.split()), Counter(right.split())
    shared, longer = (one & other).total(), max(one.total(), other.total())
    return longer - shared <= 2 <= shared and 2 * shared >= longer


def test_the_same_few_words_are_found_as_by_comparing_all_pairs() -> None:
    rng = np.random.default_rng(0)
    texts, known = ([" ".join(rng.choice(list("aabcdefghij"), rng.integers(1, 9))) for _ in range(150)] for _ in range(2))
    expected = [any(apart(text, other) for other in known) for text in texts]
    assert few_words_apart(texts, known).tolist() == expected
    assert 0 < sum(expected) < 150


@pytest.mark.parametrize("find", [lambda *a: near_duplicates(*a, similarity=0.5), few_words_apart])
def test_texts_are_not_compared_for_what_all_of_them_have_in_common(find, monkeypatch: pytest.MonkeyPatch) -> None:
    products, multiply = [], csr_array.__matmul__
    monkeypatch.setattr(csr_array, "__matmul__", lambda self, other: products.append(multiply(self, other)) or products[-1])
    rng = np.random.default_rng(0)
    texts, known = ([f"thank you {' '.join(rng.permutation(900)[:9].astype(str))}" for _ in range(200)] for _ in range(2))
    assert not find(texts, known).any()
    assert sum(product.nnz for product in products if product.ndim == 2) < 200 * 200 / 2
