"""What is asked of people: enough rows, none twice, and those for the test untouched by the choice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rootstock.errors import DataError
from rootstock.labelling.choose_rows import Choice, choose_rows, different_rows, sheet_of
from rootstock.part import Pool, QueryStrategy, parse_part


def strategy(name: str = "margin") -> QueryStrategy:
    return parse_part(QueryStrategy, {"name": name})


def pool_of(rows: int, *, seed: int = 0) -> Pool:
    random = np.random.default_rng(seed)
    return Pool(random.dirichlet(np.ones(3), rows), random.normal(size=(rows, 2)))


def test_rows_for_the_test_are_drawn_before_and_whatever_the_strategy():
    pool = pool_of(60)
    by_margin, _ = choose_rows(pool, strategy("margin"), rows=10, sample=8, seed=0)
    by_badge, _ = choose_rows(pool, strategy("badge"), rows=10, sample=8, seed=0)
    assert list(by_margin.sample) == list(by_badge.sample)
    assert not set(by_margin.sample) & set(by_margin.chosen)


def test_rows_for_the_test_are_as_hard_as_the_pool():
    """Over many seeds their mean margin is the pool's, that of the chosen ones is far below."""
    pool = pool_of(80)
    margins = np.sort(pool.probabilities, axis=1)[:, -1] - np.sort(pool.probabilities, axis=1)[:, -2]
    drawn = [choose_rows(pool, strategy(), rows=10, sample=20, seed=seed)[0] for seed in range(200)]
    assert np.mean([margins[each.sample].mean() for each in drawn]) == pytest.approx(margins.mean(), abs=0.02)
    assert np.mean([margins[each.chosen].mean() for each in drawn]) < 0.4 * margins.mean()


def test_all_rows_of_a_small_pool_can_be_asked_for():
    choice, record = choose_rows(pool_of(12), strategy(), rows=9, sample=3, seed=0)
    assert sorted([*choice.chosen, *choice.sample]) == list(range(12))
    assert record.pool == 12


def test_the_record_says_how_often_the_model_expects_to_be_wrong():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3]])
    _, record = choose_rows(Pool(probabilities, np.ones((4, 1))), strategy(), rows=2, sample=0, seed=0)
    assert record.expected_errors == pytest.approx(0.35)
    assert record.expected_errors_by_chance == pytest.approx(0.25)
    assert "wrong in 35% of them, and in 25% of rows drawn by chance" in record.says()
    assert "for the test" not in record.says()


def test_too_small_a_pool_is_refused_with_both_numbers():
    with pytest.raises(DataError, match=r"expected at least 12 different rows without a label .* and 2 by chance .* found 5; "):
        choose_rows(pool_of(5), strategy(), rows=10, sample=2, seed=0)


def test_answers_that_are_no_numbers_are_refused():
    pool = pool_of(5)
    broken = Pool(pool.probabilities * np.nan, pool.embeddings)
    with pytest.raises(DataError, match="found NaN or infinity"):
        choose_rows(broken, strategy(), rows=2, sample=0, seed=0)


def test_each_key_counts_once_and_labelled_ones_do_not():
    assert different_rows(["a", "b", "a", "c", "b", "d"], labelled=frozenset({"c"})) == [0, 1, 5]
    assert different_rows([], labelled=frozenset()) == []


def test_a_sheet_does_not_tell_by_its_order_which_rows_were_chosen():
    rows = pd.DataFrame({"id": list("cadb"), "input": ["third", "first", "fourth", "second"]})
    before = rows.copy()
    sheet = sheet_of(rows, Choice(np.array([0, 1]), np.array([3])))
    assert list(sheet.columns) == ["id", "input", "label", "split"]
    assert list(sheet["id"]) == ["a", "b", "c"]
    assert list(sheet["split"]) == ["chosen", "sample", "chosen"]
    assert set(sheet["label"]) == {""}
    pd.testing.assert_frame_equal(rows, before)
