"""Rows that hang together: who they are, folds that keep them on one side, and what so many of them tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from rootstock.errors import DataError
from rootstock.groups import (
    bound_rows,
    design_effect,
    fewest_groups,
    group_names,
    group_numbers,
    grouped_folds,
    one_row_of_each,
    with_their_group,
)
from rootstock.paired import mcnemar_exact, pair_of


def patients(groups: int, size: int, *, alike: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row is right, which a row takes from its group with chance ``alike``; and its group."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    own, shared = random.random(len(group)) < 0.5, random.random(groups) < 0.5
    return np.where(random.random(len(group)) < alike, shared[group], own).astype(float), group


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    assert group_names(["ann", "", "ann", ""], ["1", "2", "3", "4"]) == ["ann", "row 2", "ann", "row 4"]


def test_numbers_hang_on_names_and_not_on_the_order_of_rows() -> None:
    rows = pd.DataFrame({"group": ["b", "a", "b", "c"]})
    assert group_numbers(rows).tolist() == [1, 0, 1, 2]
    assert group_numbers(rows[::-1]).tolist() == [2, 1, 0, 1]
    assert group_numbers(rows[[]]) is None


def test_a_common_input_binds_two_groups_and_a_chain_of_them_three() -> None:
    bound = bound_rows(["a", "a", "b", "b", "c", "d"], ["1", "2", "2", "3", "3", "4"])
    assert len(set(bound[:5])) == 1
    assert bound[5] != bound[0]


def test_groups_and_inputs_of_one_name_are_not_taken_for_each_other() -> None:
    assert len(set(bound_rows(["x", "y"], ["y", "x"]))) == 2


def test_rows_of_a_group_that_has_one_of_them() -> None:
    rows = np.array([True, False, False])
    assert with_their_group(rows, np.array([4, 4, 5])).tolist() == [True, True, False]
    assert with_their_group(rows, None) is rows


def test_one_row_of_each_group_is_drawn_the_same_whatever_the_others() -> None:
    groups = [f"patient {n % 30}" for n in range(300)]
    drawn = one_row_of_each(groups)
    assert sorted(groups[row] for row in drawn) == sorted(set(groups))
    assert drawn == sorted(drawn)
    assert len({row // 30 for row in drawn}) > 5
    others = [row for row, group in enumerate(groups) if group != "patient 7"]
    left = one_row_of_each([groups[row] for row in others])
    assert [others[row] for row in left] == [row for row in drawn if groups[row] != "patient 7"]
    assert one_row_of_each([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_no_group_stands_on_both_sides_of_a_fold_and_every_class_can_be_learned(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, groups = random.integers(0, 3, 60), random.integers(0, 15, 60)
    splits = grouped_folds(labels, groups, folds=4, seed=seed)
    assert sorted(row for _, held in splits for row in held) == list(range(60))
    for train, held in splits:
        assert not set(groups[train]) & set(groups[held])
        assert set(labels[train]) == {0, 1, 2}


def test_folds_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    labels, groups = np.arange(40) % 2, np.arange(40) // 2
    first, again, other = (grouped_folds(labels, groups, folds=4, seed=seed) for seed in (1, 1, 2))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(len(a[1]) != len(b[1]) or (a[1] != b[1]).any() for a, b in zip(first, other, strict=True))


def test_a_class_of_few_groups_makes_fewer_folds() -> None:
    labels, groups = np.array([0] * 8 + [1] * 8), np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5])
    assert fewest_groups(labels, groups) == 2
    assert fewest_groups(labels, None) == 8
    assert len(grouped_folds(labels, groups, folds=4, seed=0)) == 2


def test_a_class_in_one_group_is_an_error_that_says_what_to_label() -> None:
    with pytest.raises(DataError, match=r"at least 2 groups .* found 1 of a class; label rows of more groups"):
        grouped_folds(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2]), folds=2, seed=0)


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
def test_with_many_groups_the_design_effect_is_that_of_cluster_robust_variances(alike: float) -> None:
    right, group = patients(2000, 4, alike=alike)
    model = sm.OLS(right, np.ones(len(right)))
    by_group = model.fit(cov_type="cluster", cov_kwds={"groups": group}).bse[0] ** 2
    by_row = model.fit(cov_type="HC0").bse[0] ** 2
    assert design_effect(right, group) == pytest.approx(max(1.0, by_group / by_row), rel=0.02)


def test_rows_of_their_own_have_no_design_effect() -> None:
    right, _ = patients(50, 1, alike=0.0)
    assert design_effect(right, np.arange(50)) == 1.0
    assert design_effect(right, None) == 1.0


def test_where_rows_of_a_group_are_all_alike_it_is_their_number() -> None:
    right, group = patients(100, 5, alike=1.0)
    assert design_effect(right, group) == pytest.approx(5.0)


def test_where_no_row_differs_it_is_the_most_that_it_can_be() -> None:
    assert design_effect(np.ones(9), np.array([0, 0, 0, 0, 0, 1, 1, 2, 2])) == pytest.approx((25 + 4 + 4) / 9)


def test_wrong_rows_spread_evenly_over_groups_have_next_to_none() -> None:
    right, group = (np.arange(500) % 5 > 0).astype(float), np.arange(500) // 5
    assert 1.0 <= design_effect(right, group) < 1.1


def test_the_fewer_groups_the_nearer_it_is_to_the_most() -> None:
    few, many = (design_effect(*patients(groups, 5, alike=0.0, seed=3)) for groups in (6, 600))
    assert 1.0 <= many < 1.3
    assert many < few <= 5.0


def test_names_and_order_of_groups_do_not_matter_and_values_stay_as_they_are() -> None:
    right, group = patients(30, 4, alike=0.4)
    order = np.random.default_rng(1).permutation(len(right))
    before = right.copy(), group.copy()
    assert design_effect(right[order], 1000 - 7 * group[order]) == pytest.approx(design_effect(right, group))
    assert (right == before[0]).all()
    assert (group == before[1]).all()


def test_two_equally_good_models_are_told_apart_no_more_often_than_alpha_where_rows_of_a_group_are_alike() -> None:
    """400 data sets of 20 groups of 5 rows; as independent rows over a fifth claim it."""
    claims, as_independent = 0, 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        outcome = random.choice([-1, 0, 0, 0, 1], size=20)
        group = np.repeat(np.arange(20), 5)
        first, second = outcome[group] == 1, outcome[group] == -1
        claims += mcnemar_exact(pair_of(first, second, groups=group)) <= 0.05
        as_independent += mcnemar_exact(pair_of(first, second)) <= 0.05
    assert claims / 400 < 0.05
    assert as_independent / 400 > 0.2
