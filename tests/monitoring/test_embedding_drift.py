from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from rootstock.errors import DataError
from rootstock.monitoring import embedding_drift as module
from rootstock.monitoring.embedding_drift import EmbeddingDrift, _permutation_test, _rbf, _witness_auc
from rootstock.part import Window
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import rbf_kernel

Draw = Callable[..., Window]


@pytest.fixture
def drift() -> EmbeddingDrift:
    return EmbeddingDrift(permutations=500, effect_floor=0.05)


def test_statistic_is_the_biased_squared_mmd(draw_window: Draw, drift: EmbeddingDrift) -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(size=(30, 5)), rng.normal(size=(20, 5)) + 0.5
    rows = np.concatenate([old, new])
    squared = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    gamma = 1 / np.median(squared[np.triu_indices(50, k=1)])
    within = rbf_kernel(old, gamma=gamma).mean() + rbf_kernel(new, gamma=gamma).mean()
    expected = within - 2 * rbf_kernel(old, new, gamma=gamma).mean()
    blank = draw_window(rng, 10)
    result = drift.compare(replace(blank, embeddings=old), replace(blank, embeddings=new), seed=0)[0]
    assert result.statistic == pytest.approx(expected, rel=1e-9)


def test_p_value_agrees_with_every_permutation_counted() -> None:
    from itertools import combinations

    rows = np.random.default_rng(2).normal(size=(9, 2)) + np.repeat([0.0, 0.8], [6, 3])[:, None]
    kernel, is_new = _rbf(rows), np.arange(9) >= 6

    def mmd(chosen: tuple[int, ...]) -> float:
        new = list(chosen)
        old = [i for i in range(9) if i not in chosen]
        return float(kernel[np.ix_(new, new)].mean() + kernel[np.ix_(old, old)].mean() - 2 * kernel[np.ix_(new, old)].mean())

    observed = mmd((6, 7, 8))
    exact = np.mean([mmd(chosen) >= observed - 1e-12 for chosen in combinations(range(9), 3)])
    assert _permutation_test(kernel, is_new, 20_000, 0)[1] == pytest.approx(exact, abs=0.015)


def test_witness_area_is_that_of_the_leave_one_out_means() -> None:
    rng = np.random.default_rng(4)
    kernel, is_new = _rbf(rng.normal(size=(25, 3)) + np.repeat([0, 1.0], [15, 10])[:, None]), np.arange(25) >= 15
    scores = []
    for i in range(25):
        others = np.arange(25) != i
        scores.append(kernel[i, others & is_new].mean() - kernel[i, others & ~is_new].mean())
    assert _witness_auc(kernel, is_new) == pytest.approx(roc_auc_score(is_new, scores))


def test_false_alarms_stay_at_the_level(draw_window: Draw) -> None:
    rng, drift = np.random.default_rng(5), EmbeddingDrift(permutations=99, effect_floor=0.0)
    p_values = [drift.compare(draw_window(rng, 60), draw_window(rng, 20), seed=i)[0].p_value for i in range(400)]
    assert 0.015 <= np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_order_of_rows_is_of_no_account_and_inputs_stay(draw_window: Draw, drift: EmbeddingDrift) -> None:
    rng = np.random.default_rng(1)
    old, new = draw_window(rng, 50), draw_window(rng, 20, shift=0.1)
    before = old.embeddings.copy()
    turned = replace(old, embeddings=old.embeddings[rng.permutation(50)])
    one, other = drift.compare(old, new, seed=3)[0], drift.compare(turned, new, seed=3)[0]
    assert one.p_value == other.p_value
    assert one.statistic == pytest.approx(other.statistic)
    assert one.effect == other.effect
    assert np.array_equal(old.embeddings, before)


def test_effect_is_bounded_and_none_for_like_rows(draw_window: Draw, drift: EmbeddingDrift) -> None:
    rng = np.random.default_rng(1)
    assert drift.compare(draw_window(rng, 50), draw_window(rng, 20, shift=50), seed=0)[0].effect == 0.5
    alike = replace(draw_window(rng, 20), embeddings=np.ones((20, 4)))
    result = drift.compare(alike, alike, seed=0)[0]
    assert (result.effect, result.p_value) == (0.0, 1.0)


def test_half_a_deviation_in_few_of_many_dimensions_is_found(draw_window: Draw, drift: EmbeddingDrift) -> None:
    rng = np.random.default_rng(1)
    old, new = draw_window(rng, 400, width=64), draw_window(rng, 120, width=64)
    new.embeddings[:, :16] += 0.5
    assert drift.compare(old, new, seed=0)[0].p_value == pytest.approx(1 / 501)


def test_a_full_window_with_ten_thousand_permutations_takes_seconds(draw_window: Draw) -> None:
    rng = np.random.default_rng(1)
    old, new = draw_window(rng, 400, width=384), draw_window(rng, 120, width=384)
    start = time.process_time()
    EmbeddingDrift(permutations=10_000, effect_floor=0.05).compare(old, new, seed=0)
    assert time.process_time() - start < 5


def test_other_widths_and_broken_embeddings_are_refused(draw_window: Draw, drift: EmbeddingDrift) -> None:
    old = draw_window(np.random.default_rng(0), 20)
    with pytest.raises(DataError, match="embeddings of 8 numbers as in the reference, found 4"):
        drift.compare(old, replace(old, embeddings=old.embeddings[:, :4]), seed=0)
    with pytest.raises(DataError, match="finite embeddings, found 20 of 40 rows without"):
        drift.compare(old, replace(old, embeddings=old.embeddings * np.nan), seed=0)


def test_no_permutations_is_refused() -> None:
    with pytest.raises(ValidationError, match="permutations"):
        EmbeddingDrift(permutations=0, effect_floor=0.05)


def test_rows_are_drawn_and_that_is_said_when_there_are_more_than_memory_could_compare(
    draw_window: Draw, drift: EmbeddingDrift, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    blank = draw_window(rng, 10)
    old, new = rng.normal(size=(900, 4)), rng.normal(size=(60, 4)) + 0.7
    compared = []
    monkeypatch.setattr(module, "_rbf", lambda rows: compared.append(len(rows)) or _rbf(rows))
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    one = drift.compare(replace(blank, embeddings=old), replace(blank, embeddings=new), seed=0)
    other = drift.compare(replace(blank, embeddings=rng.permutation(old)), replace(blank, embeddings=new), seed=0)
    assert compared == [160, 160]
    assert one == other
    assert one[0].p_value < 0.01
    assert one[0].reason.endswith("(100 of 900 old rows drawn)")
