"""The cosine between TF-IDF centroids."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.data.image import Image
from rootstock.similarity.tfidf_cosine import TfidfCosine, centroid_cosine

METRIC = TfidfCosine(rows=400)
KITCHEN = ["a sharp knife for bread", "the pan is a good pan", "this kettle boils fast", "bread knife and bread board"]
MUSIC = ["the song is too long", "a good voice and a good band", "loud drums", "this record is a good record of the band"]


@pytest.fixture
def compare(make_pair):
    def make(target, source, **changes):
        return make_pair(
            np.zeros((len(target), 2)), np.arange(len(target)) % 2, source=np.zeros((len(source), 2)), inputs=target,
            source_inputs=source, **changes,
        )  # fmt: skip

    return make


def test_the_value_of_the_published_vectoriser(compare):
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = TfidfVectorizer(sublinear_tf=True).fit_transform(KITCHEN + MUSIC).toarray()
    a, b = rows[:4].mean(axis=0), rows[4:].mean(axis=0)
    assert METRIC.measure(compare(KITCHEN, MUSIC)) == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), rel=1e-12)


def test_the_value_by_hand():
    from scipy.sparse import csr_matrix

    idf_shared, idf_rare = 1.0, 1 + np.log(3 / 2)
    expected = idf_shared / np.hypot(idf_shared, idf_rare)
    assert centroid_cosine(csr_matrix([[1, 0]]), csr_matrix([[1, 1]])) == pytest.approx(expected)


def test_a_domain_is_nearest_to_itself_and_apart_from_one_without_a_word_in_common(compare):
    assert METRIC.measure(compare(KITCHEN, KITCHEN)) == pytest.approx(1)
    assert METRIC.measure(compare(["sharp knife"], ["loud drums"])) == 0


def test_sides_may_be_swapped_and_rows_stand_in_any_order(compare):
    expected = METRIC.measure(compare(KITCHEN, MUSIC))
    assert METRIC.measure(compare(MUSIC, KITCHEN)) == pytest.approx(expected)
    assert METRIC.measure(compare(KITCHEN[::-1], MUSIC[::-1])) == pytest.approx(expected)


def test_one_row_on_each_side_is_enough(compare):
    assert 0 < METRIC.measure(compare(["a good knife"], ["a good song"])) < 1


def test_texts_without_words_of_two_letters_are_compared_by_their_characters(compare):
    assert METRIC.measure(compare(["a", "b"], ["a", "c"])) == pytest.approx(1 / 2)


def test_it_is_not_defined_for_images_without_a_source_or_where_nothing_is_written(compare, make_pair):
    assert METRIC.measure(compare([b"1"], [b"2"], modality=Image(side=8))) is None
    assert METRIC.measure(make_pair(np.zeros((2, 2)), np.array([0, 1]), inputs=KITCHEN[:2])) is None
    assert METRIC.measure(compare(["", " "], ["", ""])) is None
    assert METRIC.measure(compare(["", "..."], KITCHEN)) is None


def test_inputs_are_left_as_they_were(compare):
    target, source = list(KITCHEN), list(MUSIC)
    pair = compare(target, source)
    first = METRIC.measure(pair)
    assert (target, source) == (KITCHEN, MUSIC)
    assert METRIC.measure(pair) == first
