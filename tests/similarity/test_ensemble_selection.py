"""Scores that put past sources in the order of what they gained."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.ensemble_selection import MOST_STEPS, concordance, ordered_pairs, select_ensemble


def world(rankings=12, sources=8, noise=0.3, seed=0):
    """Gains follow the first score, and the second half as much; the third is chance."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(rankings * sources, 3))
    gains = scores[:, 0] + 0.5 * scores[:, 1] + noise * random.normal(size=len(scores))
    return (
        scores,
        gains,
        np.repeat([f"r{i}" for i in range(rankings)], sources),
        np.tile([f"s{i}" for i in range(sources)], rankings),
    )


def order(said, gains, rankings):
    return concordance(said, gains, rankings=rankings, sources=np.array([f"s{i}" for i in range(len(said))]))


def select(scores, gains, rankings, sources, weights=None):
    weights = np.ones(len(gains)) if weights is None else weights
    return select_ensemble(scores, gains, rankings=rankings, sources=sources, weights=weights)


def test_concordance_of_one_ranking_is_scipys_weighted_tau_with_the_ranks_of_gains():
    from scipy.stats import weightedtau

    random = np.random.default_rng(0)
    said, gains = random.normal(size=10), random.normal(size=10)
    ranks = np.argsort(np.argsort(-gains))
    expected = weightedtau(said, gains, rank=ranks).statistic
    assert order(said, gains, np.repeat("r", 10)) == pytest.approx(expected)


def test_concordance_is_the_mean_over_rankings():
    random = np.random.default_rng(1)
    said, gains = random.normal(size=12), random.normal(size=12)
    rankings = np.repeat(["a", "b"], 6)
    each = [order(said[rankings == name], gains[rankings == name], np.repeat(name, 6)) for name in "ab"]
    assert order(said, gains, rankings) == pytest.approx(np.mean(each))


def test_a_score_counts_as_much_as_it_helps_and_chance_nothing():
    found = select(*world())
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.15
    assert found.sum() == pytest.approx(1.0)


def test_it_orders_the_best_where_a_sum_of_squares_orders_the_rest():
    """One score tells the last from all others, and another which is first: only the second says what to learn from."""
    random = np.random.default_rng(2)
    rankings, sources = 20, 12
    gains, scores = [], []
    for _ in range(rankings):
        gain = np.r_[-10.0, random.normal(scale=0.5, size=sources - 1)]
        scores.append(np.column_stack([-3.0 * (np.arange(sources) == 0) + random.normal(scale=0.6, size=sources), gain.clip(-1)]))
        gains.append(gain)
    groups = np.repeat([f"r{i}" for i in range(rankings)], sources)
    found = select(np.vstack(scores), np.concatenate(gains), groups, np.tile([f"s{i}" for i in range(sources)], rankings))
    assert found[1] > 0.8


def test_no_score_that_goes_against_the_gains_is_taken():
    scores, gains, rankings, sources = world()
    assert (select(-scores[:, :1], gains, rankings, sources) == 0).all()


def test_the_order_of_rows_and_the_scale_of_gains_do_not_matter():
    scores, gains, rankings, sources = world()
    order = np.random.default_rng(3).permutation(len(gains))
    expected = select(scores, gains, rankings, sources)
    assert select(scores[order], np.exp(gains)[order], rankings[order], sources[order]) == pytest.approx(expected)


def test_rows_of_one_source_in_one_ranking_count_as_their_mean():
    scores, gains, rankings, sources = world()
    apart = np.random.default_rng(4).normal(size=len(gains))
    twice = select(
        np.vstack([scores, scores]), np.r_[gains + apart, gains - apart], np.r_[rankings, rankings], np.r_[sources, sources]
    )
    assert twice == pytest.approx(select(scores, gains, rankings, sources))


def test_rankings_without_weight_say_nothing():
    scores, gains, rankings, sources = world(rankings=6)
    weights = (rankings < "r3").astype(float)
    kept = weights > 0
    assert select(scores, gains, rankings, sources, weights) == pytest.approx(
        select(scores[kept], gains[kept], rankings[kept], sources[kept])
    )


def test_a_missing_score_counts_as_middling():
    scores, gains, rankings, sources = world()
    filled, missing = scores.copy(), scores.copy()
    filled[::5, 1], missing[::5, 1] = 0.0, np.nan
    assert select(missing, gains, rankings, sources) == pytest.approx(select(filled, gains, rankings, sources))


def test_two_sources_in_one_ranking_are_enough():
    assert select(np.array([[1.0], [0.0]]), np.array([0.2, 0.1]), np.array(["r", "r"]), np.array(["a", "b"])).tolist() == [1.0]


@pytest.mark.parametrize("rows", [0, 1])
def test_without_a_pair_no_score_is_taken(rows):
    found = select(np.ones((rows, 2)), np.ones(rows), np.repeat("r", rows), np.repeat("a", rows))
    assert found.tolist() == [0.0, 0.0]


def test_without_scores_there_are_no_weights():
    scores, gains, rankings, sources = world()
    assert len(select(scores[:, :0], gains, rankings, sources)) == 0


def test_sources_that_gained_alike_are_no_pair():
    better, worse, shares = ordered_pairs(np.array([0.1, 0.1, 0.0]), np.repeat("r", 3), np.ones(3))
    assert set(zip(better.tolist(), worse.tolist(), strict=True)) == {(0, 2), (1, 2)}
    assert shares.sum() == pytest.approx(1.0)


def test_steps_end():
    """Each step takes one score once more: weights are whole numbers of as many parts as there were steps."""
    random = np.random.default_rng(0)
    scores = random.normal(size=(400, 60))
    gains = scores.sum(axis=1)
    found = select(scores, gains, np.repeat("r", 400), np.array([f"s{i}" for i in range(400)]))
    assert found[found > 0].min() == pytest.approx(1 / MOST_STEPS)
    assert found * MOST_STEPS == pytest.approx(np.round(found * MOST_STEPS))


def test_a_ranking_counts_as_much_as_its_rows_weigh():
    gains, rankings = np.array([0.2, 0.1, 0.0] * 2), np.repeat(["r", "q"], 3)
    better, _, shares = ordered_pairs(gains, rankings, np.where(rankings == "q", 3.0, 1.0))
    assert shares[rankings[better] == "q"].sum() == pytest.approx(0.75)


def test_inputs_are_not_changed():
    given = world()
    before = [each.copy() for each in given]
    select(*given)
    assert all((one == other).all() for one, other in zip(given, before, strict=True))
