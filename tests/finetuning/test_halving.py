"""Successive halving with trials that are made up: who goes on, when it ends, and how often a leader is called clear in error."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from rootstock.finetuning.halving import Trial, paired_p_value, rounds_at_most, run_race, trials_at_most
from scipy.stats import wilcoxon

HALVING = SimpleNamespace(source_rows=100, alpha=0.1)
N = 40


def trial(losses, *, rows=0, correct=None):
    losses = np.asarray(losses, dtype=float)
    right = losses < 0.7 if correct is None else correct
    return Trial(source_rows=rows, row_passes=2 * rows, losses=tuple(losses), correct=tuple(bool(value) for value in right))


def noisy(mean, *, seed, spread=0.5):
    return mean + spread * np.random.default_rng(seed).normal(size=N)


def race(losses, *, sizes=None, halving=HALVING, control=None, groups=None):
    """``losses`` holds a function of the rows for each candidate."""
    calls = []

    def attempt(name, rows):
        calls.append((name, rows))
        return trial(losses[name](rows), rows=rows)

    found = run_race(
        sizes or dict.fromkeys(losses, 10_000), attempt, control=control or trial(np.full(N, 1.0)), halving=halving, confidence=0.9,
        seed=0, groups=groups,
    )  # fmt: skip
    return found, calls


def alike(count, spread=0.5):
    """Candidates that differ little: their means are in order, and the noise hides it."""
    return {f"s{i}": lambda rows, i=i: noisy(0.5 + 0.001 * i, seed=(i, rows), spread=spread) for i in range(count)}


@pytest.mark.parametrize(("count", "expected"), [(2, [2]), (3, [3, 2]), (4, [4, 2]), (5, [5, 3, 2]), (8, [8, 4, 2])])
def test_half_of_them_go_on_with_twice_the_rows_until_one_is_left(count, expected):
    found, calls = race(alike(count), halving=SimpleNamespace(source_rows=100, alpha=1e-9))
    assert [len(scores) for scores in found.rounds] == expected
    assert [scores[0].source_rows for scores in found.rounds] == [100 * 2**i for i in range(len(expected))]
    assert len(calls) == trials_at_most(count) == sum(expected)
    assert rounds_at_most(count) == len(expected)
    assert found.row_passes == sum(2 * rows for _, rows in calls)
    assert not found.clear


def test_those_kept_have_the_lowest_losses_and_the_winner_is_the_only_one_kept_in_the_end():
    found, _ = race(alike(6, spread=0.4), halving=SimpleNamespace(source_rows=100, alpha=1e-9))
    for scores, after in itertools.zip_longest(found.rounds, found.rounds[1:]):
        assert [score.log_loss for score in scores] == sorted(score.log_loss for score in scores)
        kept = [score.name for score in scores if score.kept]
        assert kept == [score.name for score in scores[: len(kept)]]
        assert set(kept) == ({score.name for score in after} if after else {found.winner.name})


def test_a_clear_leader_ends_it_in_the_first_round():
    losses = alike(4) | {"best": lambda rows: noisy(-1.0, seed=9)}
    found, calls = race(losses)
    assert (found.winner.name, found.clear, len(found.rounds)) == ("best", True, 1)
    assert {rows for _, rows in calls} == {100}


def test_a_leader_that_is_not_ahead_of_every_other_is_not_clear():
    losses = {"far": lambda rows: noisy(3.0, seed=1), "a": lambda rows: noisy(0.5, seed=2), "b": lambda rows: noisy(0.52, seed=3)}
    found, _ = race(losses)
    assert len(found.rounds) == 2
    assert {score.name for score in found.rounds[1]} == {"a", "b"}


def test_one_far_behind_the_leader_is_beaten_and_those_near_it_are_not():
    losses = {"far": lambda rows: noisy(3.0, seed=1), "a": lambda rows: noisy(0.5, seed=2), "b": lambda rows: noisy(0.52, seed=3)}
    found, _ = race(losses)
    assert [{score.name: score.beaten for score in scores} for scores in found.rounds] == [
        {"a": False, "b": False, "far": True},
        {"a": False, "b": False},
    ]


def test_it_ends_when_those_left_have_no_more_rows():
    found, calls = race(
        alike(4), sizes={"s0": 100, "s1": 90, "s2": 60, "s3": 100}, halving=SimpleNamespace(source_rows=100, alpha=1e-9)
    )
    assert len(found.rounds) == 1
    assert [score.kept for score in found.rounds[0]] == [True, False, False, False]
    assert dict(calls)["s2"] == 60


def test_a_small_source_is_used_whole_beside_a_larger_one():
    sizes = {"s0": 120, "s1": 10_000, "s2": 10_000}
    _, calls = race(alike(3, spread=0.0), sizes=sizes, halving=SimpleNamespace(source_rows=100, alpha=1e-9))
    assert calls == [("s0", 100), ("s1", 100), ("s2", 100), ("s0", 120), ("s1", 200)]


def test_equal_candidates_are_settled_by_the_order_of_the_ranking():
    found, _ = race({name: lambda rows: np.full(N, 0.5) for name in ("first", "second", "third")})
    assert (found.winner.name, found.clear) == ("first", False)


def test_the_gain_is_paired_with_no_transfer_on_the_same_rows():
    control = trial(np.full(N, 1.0), correct=np.arange(N) < 20)
    losses = {"a": lambda rows: np.where(np.arange(N) < 30, 0.1, 1.0), "b": lambda rows: np.full(N, 2.0)}
    found, _ = race(losses, control=control)
    gain = found.winner.gain
    assert (gain.value, gain.n) == (0.25, N)
    assert 0 < gain.low < 0.25 < gain.high
    assert found.winner.accuracy.value == 0.75
    assert found.rounds[0][1].gain.value == -0.5


def test_equal_sources_are_called_clear_no_more_often_than_alpha(monkeypatch):
    monkeypatch.setattr("rootstock.finetuning.halving.PERMUTATIONS", 199)
    trials, clear = 200, 0
    for seed in range(trials):
        losses = {name: lambda rows, i=i, seed=seed: noisy(0.5, seed=(seed, i, rows)) for i, name in enumerate("abcd")}
        clear += race(losses, halving=SimpleNamespace(source_rows=100, alpha=0.2))[0].clear
    # 200 trials: 20% and two standard errors.
    assert clear / trials <= 0.2 + 0.057


def test_the_paired_test_agrees_with_all_signs_tried_by_hand():
    leader, other = [0.1, 0.9, 0.3, 0.5], [0.4, 0.8, 0.9, 0.7]
    differences = np.subtract(other, leader)
    means = [np.mean(differences * signs) for signs in itertools.product((-1, 1), repeat=4)]
    expected = np.mean(np.array(means) >= differences.mean() - 1e-12)
    assert paired_p_value(leader, other, seed=0) == pytest.approx(expected)


def test_the_paired_test_is_near_wilcoxons_where_differences_are_normal():
    leader, other = noisy(0.5, seed=1), noisy(0.65, seed=2)
    assert paired_p_value(leader, other, seed=0) == pytest.approx(wilcoxon(other, leader, alternative="greater").pvalue, abs=0.05)


def test_equal_losses_are_no_evidence():
    assert paired_p_value([0.5, 0.2], [0.5, 0.2], seed=0) == 1.0


def test_rows_of_a_group_change_their_sign_together():
    """Twelve rows all better tell much; as those of three groups they tell as much as three."""
    leader, other = [0.1] * 12, [0.2, 0.3, 0.4, 0.5] * 3
    assert paired_p_value(leader, other, seed=0) < 0.001
    assert paired_p_value(leader, other, seed=0, groups=np.arange(12) // 4) == pytest.approx(1 / 8)


def test_a_leader_of_few_groups_is_not_clear():
    means = {"a": 0.4, "b": 0.6}
    losses = {name: lambda rows, mean=mean: noisy(mean, seed=1, spread=0.1) for name, mean in means.items()}
    assert race(losses)[0].clear
    assert not race(losses, groups=np.arange(N) % 3)[0].clear
