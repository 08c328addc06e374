"""Query strategies: what each wants, on pools whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.labelling.badge import Badge
from rootstock.labelling.margin import Margin, margins
from rootstock.part import Pool, QueryStrategy, members, parse_part

NAMES = sorted(members(QueryStrategy))


def pool_of(rows: int, classes: int = 3, features: int = 4, *, seed: int = 0) -> Pool:
    random = np.random.default_rng(seed)
    return Pool(random.dirichlet(np.ones(classes), rows), random.normal(size=(rows, features)))


def chosen_by(name: str, pool: Pool, rows: int, *, seed: int = 0) -> list[int]:
    return list(parse_part(QueryStrategy, {"name": name}).choose(pool, rows, seed=seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [1, 5, 20])
def test_each_chooses_so_many_different_rows(name, rows):
    found = chosen_by(name, pool_of(20), rows)
    assert len(set(found)) == rows
    assert set(found) <= set(range(20))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_chooses_the_same_rows_and_the_pool_stays_as_it_was(name):
    pool = pool_of(30)
    before = pool.probabilities.copy(), pool.embeddings.copy()
    assert chosen_by(name, pool, 7, seed=3) == chosen_by(name, pool, 7, seed=3)
    np.testing.assert_array_equal(pool.probabilities, before[0])
    np.testing.assert_array_equal(pool.embeddings, before[1])


@pytest.mark.parametrize("name", ["margin", "badge"])
def test_a_model_that_is_sure_of_all_rows_still_gets_as_many_as_asked_for(name):
    sure = Pool(np.eye(3)[[0, 1, 2, 0, 1]], np.ones((5, 2)))
    assert sorted(chosen_by(name, sure, 5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["margin", "badge"])
def test_rows_that_a_model_is_sure_of_come_last(name):
    probabilities = np.array([[0.98, 0.01, 0.01], [0.4, 0.35, 0.25], [0.97, 0.02, 0.01], [0.1, 0.46, 0.44]])
    assert set(chosen_by(name, Pool(probabilities, np.eye(4)), 2)) == {1, 3}


def test_margin_takes_the_nearest_two_classes_first():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.4, 0.39, 0.21], [0.9, 0.05, 0.05], [0.6, 0.35, 0.05]])
    np.testing.assert_allclose(margins(probabilities), [0.2, 0.01, 0.85, 0.25])
    assert list(Margin().choose(Pool(probabilities, np.ones((4, 1))), 3, seed=0)) == [1, 0, 3]


def test_margin_reads_no_embeddings():
    pool = pool_of(40)
    other = Pool(pool.probabilities, pool.embeddings[::-1] * 100)
    assert chosen_by("margin", pool, 9) == chosen_by("margin", other, 9)


def test_badge_takes_none_twice_of_rows_that_are_one():
    """Ten copies of the row that it wants most count as one: the second choice is another row."""
    probabilities = np.array([[0.34, 0.33, 0.33]] * 10 + [[0.6, 0.2, 0.2]])
    embeddings = np.array([[3.0, 0.0]] * 10 + [[0.0, 1.0]])
    assert chosen_by("badge", Pool(probabilities, embeddings), 2)[1] == 10
    assert set(chosen_by("margin", Pool(probabilities, embeddings), 2)) <= set(range(10))


def test_badge_draws_as_kmeans_plus_plus_draws_over_gradients():
    """Its second choice follows the squared distances of the gradients, formed here as they are defined."""
    pool = pool_of(6, seed=5)
    guessed = np.eye(3)[pool.probabilities.argmax(axis=1)]
    gradients = ((pool.probabilities - guessed)[:, :, None] * pool.embeddings[:, None, :]).reshape(6, -1)
    first = int((gradients**2).sum(axis=1).argmax())
    wanted = ((gradients - gradients[first]) ** 2).sum(axis=1)
    draws = [Badge().choose(pool, 2, seed=seed) for seed in range(4000)]
    assert {int(draw[0]) for draw in draws} == {first}
    shares = np.bincount([int(draw[1]) for draw in draws], minlength=6) / 4000
    np.testing.assert_allclose(shares, wanted / wanted.sum(), atol=0.03)


def test_badge_does_not_depend_on_the_order_of_classes():
    pool = pool_of(25)
    turned = Pool(pool.probabilities[:, [2, 0, 1]], pool.embeddings)
    assert chosen_by("badge", pool, 6) == chosen_by("badge", turned, 6)


def test_random_rows_are_others_with_another_seed():
    assert chosen_by("random", pool_of(50), 10) != chosen_by("random", pool_of(50), 10, seed=1)
