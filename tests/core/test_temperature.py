"""One number that makes probabilities mean what they say, and changes no label."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.temperature import at_temperature, fit_temperature, tempered


def answers(rows: int, *, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) probabilities that are calibrated at a temperature of ``sharpness``, and labels drawn from the calibrated ones."""
    draw = np.random.default_rng(seed)
    scores = 2 * draw.normal(size=(rows, 4))
    truth = (np.cumsum(soft(scores), axis=1) > draw.random((rows, 1))).argmax(axis=1)
    return soft(sharpness * scores), truth


def soft(scores: np.ndarray) -> np.ndarray:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 2.0, 4.0])
def test_with_many_rows_the_temperature_is_the_one_that_was_planted(sharpness: float) -> None:
    assert fit_temperature(*answers(20_000, sharpness=sharpness)) == pytest.approx(sharpness, rel=0.05)


def test_it_is_that_of_a_direct_search_where_the_prior_hardly_counts() -> None:
    probabilities, truth = answers(5000, sharpness=2.5)
    grid = np.linspace(2, 3, 1001)
    losses = [-np.log(at_temperature(probabilities, t)[np.arange(5000), truth]).mean() for t in grid]
    assert fit_temperature(probabilities, truth) == pytest.approx(grid[int(np.argmin(losses))], abs=0.01)


def test_a_few_rows_that_are_all_right_do_not_make_the_model_certain() -> None:
    probabilities = 0.7 * np.eye(3)[[0, 1, 2]] + 0.1
    found = fit_temperature(probabilities, np.array([0, 1, 2]))
    assert 0.4 < found < 1.0


def test_a_single_row_that_is_wrong_hardly_moves_it() -> None:
    assert 1.0 < fit_temperature(np.array([[0.99, 0.01]]), np.array([1])) < 5.0


def test_no_rows_and_no_numbers_leave_probabilities_as_they_are() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, dtype=np.int64)) == 1.0
    assert fit_temperature(np.array([[np.nan, 0.5]]), np.array([1])) == 1.0


def test_a_class_of_probability_nought_is_no_trouble() -> None:
    assert np.isfinite(fit_temperature(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0, 1, 1])))


@pytest.mark.parametrize("temperature", [0.1, 0.7, 3.0, 10.0])
def test_the_order_of_the_classes_stays(temperature: float) -> None:
    probabilities, _ = answers(300, sharpness=1.0)
    found = at_temperature(probabilities, temperature)
    np.testing.assert_array_equal(found.argsort(axis=1), probabilities.argsort(axis=1))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_dividing_scores_is_the_same_as_dividing_log_probabilities() -> None:
    scores = np.random.default_rng(0).normal(size=(50, 5))
    np.testing.assert_allclose(np.exp(tempered(np.log(soft(scores)), 1.6)), soft(scores / 1.6), atol=1e-12)


def test_a_temperature_of_one_leaves_every_bit() -> None:
    probabilities, _ = answers(20, sharpness=1.0)
    assert at_temperature(probabilities, 1.0) is probabilities
    logs = np.log(probabilities)
    assert tempered(logs, 1.0) is logs


def test_the_order_of_the_rows_changes_nothing_and_inputs_stay() -> None:
    probabilities, truth = answers(60, sharpness=2.0)
    before = probabilities.copy(), truth.copy()
    order = np.random.default_rng(1).permutation(60)
    assert fit_temperature(probabilities, truth) == pytest.approx(fit_temperature(probabilities[order], truth[order]), rel=1e-4)
    np.testing.assert_array_equal(probabilities, before[0])
    np.testing.assert_array_equal(truth, before[1])


def test_out_of_sample_log_loss_falls_with_a_hundred_rows() -> None:
    new, labels = answers(20_000, sharpness=3.0, seed=99)
    before = -np.log(new[np.arange(len(labels)), labels]).mean()
    for seed in range(5):
        found = at_temperature(new, fit_temperature(*answers(100, sharpness=3.0, seed=seed)))
        assert -np.log(found[np.arange(len(labels)), labels]).mean() < before - 0.1
