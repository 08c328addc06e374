"""The overlap of vocabularies."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from rootstock.data.image import Image
from rootstock.similarity.vocabulary_overlap import VocabularyOverlap, jaccard

ALL, TWICE = VocabularyOverlap(rows=400, min_rows=1), VocabularyOverlap(rows=400, min_rows=2)


@pytest.fixture
def compare(make_pair):
    def make(target, source, **changes):
        return make_pair(
            np.zeros((len(target), 2)), np.arange(len(target)) % 2, source=np.zeros((len(source), 2)), inputs=target,
            source_inputs=source, **changes,
        )  # fmt: skip

    return make


def test_the_value_by_hand(compare):
    assert ALL.measure(compare(["red green", "blue"], ["red", "blue grey"])) == pytest.approx(2 / 4)
    assert jaccard(("a", "b", "c"), ("b", "c", "d")) == pytest.approx(2 / 4)


def test_the_value_of_scikit_learn(compare):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.metrics import jaccard_score

    target, source = ["one two three", "four five"], ["three four six", "one seven"]
    words = CountVectorizer().fit(target + source)
    sides = [words.transform(side).toarray().any(axis=0) for side in (target, source)]
    assert ALL.measure(compare(target, source)) == pytest.approx(jaccard_score(*sides))


def test_a_word_in_fewer_texts_than_asked_for_does_not_count(compare):
    target, source = ["red red green", "green"], ["green", "green grey", "blue"]
    assert TWICE.measure(compare(target, source)) == 1
    assert ALL.measure(compare(target, source)) == pytest.approx(1 / 3)


def test_more_rows_of_the_same_kind_do_not_make_a_source_less_like_the_target(compare):
    random = np.random.default_rng(0)
    share = 1 / np.arange(1, 2001)

    def texts(rows):
        return [" ".join(f"word{i}" for i in random.choice(2000, size=20, p=share / share.sum())) for _ in range(rows)]

    target, few, many = texts(40), texts(40), texts(400)
    counts = [Counter(word for text in side for word in set(text.split())) for side in (target, few, many)]
    words = [[word for word, rows in count.items() if rows > 1] for count in counts]
    assert jaccard(tuple(words[0]), tuple(words[2])) < 0.5 * jaccard(tuple(words[0]), tuple(words[1]))
    assert TWICE.measure(compare(target, many)) >= TWICE.measure(compare(target, few))


def test_a_domain_is_nearest_to_itself_and_apart_from_one_without_a_word_in_common(compare):
    assert ALL.measure(compare(["red green"], ["green red"])) == 1
    assert ALL.measure(compare(["red green"], ["blue"])) == 0


def test_sides_may_be_swapped_and_rows_stand_in_any_order(compare):
    target, source = ["red green", "blue"], ["red", "blue grey", "white"]
    expected = ALL.measure(compare(target, source))
    assert ALL.measure(compare(source, target)) == pytest.approx(expected)
    assert ALL.measure(compare(target[::-1], source[::-1])) == pytest.approx(expected)


def test_it_is_not_defined_for_images_without_a_source_or_with_an_empty_vocabulary(compare, make_pair):
    assert ALL.measure(compare([b"1"], [b"2"], modality=Image(side=8))) is None
    assert ALL.measure(make_pair(np.zeros((2, 2)), np.array([0, 1]), inputs=["red", "blue"])) is None
    assert TWICE.measure(compare(["red", "green"], ["red", "red"])) is None
    assert ALL.measure(compare(["", ""], ["", ""])) is None


def test_inputs_are_left_as_they_were(compare):
    target, source = ["red green", "blue"], ["red", "blue grey"]
    ALL.measure(compare(target, source))
    assert (target, source) == (["red green", "blue"], ["red", "blue grey"])
