"""What is asked of people: enough rows, none twice, and those for the test untouched by the choice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rootstock.errors import DataError
from rootstock.labelling.choose_rows import Choice, choose_rows, different_rows, kept_for_chance, sheet_of
from rootstock.part import Pool, QueryStrategy, parse_part


def strategy(name: str = "margin") -> QueryStrategy:
    return parse_part(QueryStrategy, {"name": name})


def pool_of(rows: int, *, seed: int = 0) -> Pool:
    random = np.random.default_rng(seed)
    return Pool(random.dirichlet(np.ones(3), rows), random.normal(size=(rows, 2)))


def kept_of(rows: int) -> np.ndarray:
    """Every fourth row."""
    return np.arange(rows) % 4 == 0


def test_rows_for_the_test_are_the_same_whatever_the_strategy():
    pool, kept = pool_of(60), kept_of(60)
    by_margin, _ = choose_rows(pool, strategy("margin"), kept=kept, rows=10, sample=8, seed=0)
    by_badge, _ = choose_rows(pool, strategy("badge"), kept=kept, rows=10, sample=8, seed=0)
    assert list(by_margin.sample) == list(by_badge.sample)
    assert kept[by_margin.sample].all()
    assert not kept[by_margin.chosen].any()
    assert not kept[by_badge.chosen].any()


def test_rows_for_the_test_stay_as_hard_as_the_pool_round_after_round():
    """What is left of a pool is easier after each choice; what is drawn by chance must not be."""
    hardest, drawn, chosen = np.random.default_rng(0).random(4000), [], []
    probabilities = np.column_stack([0.5 + hardest / 2, 0.5 - hardest / 2])
    names = np.array([f"row {row}" for row in range(4000)])
    free = np.arange(4000)
    for turn in range(8):
        kept = kept_for_chance(list(names[free]))
        choice, _ = choose_rows(
            Pool(probabilities[free], probabilities[free]), strategy(), kept=kept, rows=300, sample=60, seed=turn
        )
        chosen.append(hardest[free[choice.chosen]].mean())
        drawn.append(hardest[free[choice.sample]].mean())
        free = np.setdiff1d(free, free[[*choice.chosen, *choice.sample]])
    assert np.mean(drawn) == pytest.approx(0.5, abs=0.04)
    assert np.mean(drawn[4:]) == pytest.approx(0.5, abs=0.06)
    assert chosen == sorted(chosen)
    assert chosen[-1] > 0.6


def test_a_row_is_kept_for_chance_by_its_key_alone():
    keys = [f"key {row}" for row in range(2000)]
    kept = kept_for_chance(keys)
    assert kept.mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_array_equal(kept_for_chance(keys[::-1]), kept[::-1])
    np.testing.assert_array_equal(kept_for_chance(keys[5:9]), kept[5:9])


def test_all_rows_of_a_small_pool_can_be_asked_for():
    choice, record = choose_rows(pool_of(12), strategy(), kept=kept_of(12), rows=9, sample=3, seed=0)
    assert sorted([*choice.chosen, *choice.sample]) == list(range(12))
    assert record.pool == 12


def test_the_record_says_how_often_the_model_expects_to_be_wrong():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.7, 0.3]])
    pool = Pool(probabilities, np.ones((4, 1)))
    _, record = choose_rows(pool, strategy(), kept=np.array([True, False, False, False]), rows=2, sample=0, seed=0)
    assert record.expected_errors == pytest.approx(0.35)
    assert record.expected_errors_by_chance == pytest.approx(0.1)
    assert "wrong in 35% of them, and in 10% of rows drawn by chance" in record.says()
    assert "for the test" not in record.says()
    _, record = choose_rows(pool, strategy(), kept=np.zeros(4, dtype=bool), rows=2, sample=0, seed=0)
    assert record.expected_errors_by_chance == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("rows", "sample", "said"),
    [
        (10, 2, "at least 10 of the different rows without a label to choose from, found 3"),
        (2, 3, "at least 3 .* by chance, found 2"),
    ],
)
def test_too_small_a_pool_is_refused_with_both_numbers(rows, sample, said):
    with pytest.raises(DataError, match=f"expected {said} "):
        choose_rows(pool_of(5), strategy(), kept=kept_of(5), rows=rows, sample=sample, seed=0)


def test_answers_that_are_no_numbers_are_refused():
    pool = pool_of(5)
    broken = Pool(pool.probabilities * np.nan, pool.embeddings)
    with pytest.raises(DataError, match="found NaN or infinity"):
        choose_rows(broken, strategy(), kept=kept_of(5), rows=2, sample=0, seed=0)


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
