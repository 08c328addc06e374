"""Who stands where no candidate was clearly ahead."""

from __future__ import annotations

import pytest
from rootstock.finetuning.halving import Race
from rootstock.finetuning.posterior_gain import ROWS_FOR_HALF, best_by_posterior_gain
from rootstock.records import HalvingScore, Measure
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel


def score(name, gain, *, rows=50, beaten=False, kept=True):
    measure = Measure(value=gain, low=gain - 0.1, high=gain + 0.1, n=rows, unit="accuracy", higher_is_better=True)
    return HalvingScore(name=name, source_rows=100, log_loss=0.5, accuracy=measure, gain=measure, kept=kept, beaten=beaten)


def race(*rounds, clear=False):
    return Race(tuple(rounds), clear, 0)


def test_few_rows_do_not_turn_what_is_predicted_to_be_apart():
    found = best_by_posterior_gain(race((score("b", 0.1), score("a", 0.0))), {"a": 0.06, "b": 0.04})
    assert found.name == "a"


def test_many_rows_do():
    tried = race((score("b", 0.1, rows=5000), score("a", 0.0, rows=5000)))
    assert best_by_posterior_gain(tried, {"a": 0.06, "b": 0.04}).name == "b"


def test_where_two_are_predicted_alike_the_trial_decides():
    assert best_by_posterior_gain(race((score("b", 0.01), score("a", 0.0))), {"a": 0.05, "b": 0.05}).name == "b"


def test_where_trials_are_alike_too_the_order_of_the_ranking_does():
    assert best_by_posterior_gain(race((score("b", 0.0), score("a", 0.0))), {"a": 0.05, "b": 0.05}).name == "a"


@pytest.mark.parametrize("rows", [20, 350, 2000])
def test_it_turns_where_the_posterior_mean_of_a_normal_gain_does(rows):
    """Prior variance 1 around what is predicted, ROWS_FOR_HALF of noise a row; against scikit-learn."""
    regressor = GaussianProcessRegressor(ConstantKernel(1.0, "fixed"), alpha=ROWS_FOR_HALF / rows, optimizer=None)
    for measured in (0.0, 0.05, 0.1, 0.3):
        expected = 0.04 + float(regressor.fit([[0.0]], [measured - 0.04]).predict([[0.0]])[0])
        rival = 0.06 + float(regressor.fit([[0.0]], [0.0 - 0.06]).predict([[0.0]])[0])
        found = best_by_posterior_gain(race((score("b", measured, rows=rows), score("a", 0.0, rows=rows))), {"a": 0.06, "b": 0.04})
        assert found.name == ("b" if expected > rival else "a")


def test_one_that_was_clearly_beaten_does_not_stand_however_much_was_predicted():
    first = (score("b", 0.1), score("c", 0.09), score("a", -0.3, beaten=True, kept=False))
    assert best_by_posterior_gain(race(first, (score("b", 0.1), score("c", 0.09))), {"a": 0.5, "b": 0.04, "c": 0.01}).name == "b"


def test_trials_that_were_as_long_are_compared_and_the_last_score_is_given():
    first = (score("b", 0.05), score("a", 0.05, kept=False))
    longer = score("b", 0.9)
    assert best_by_posterior_gain(race(first, (longer,)), {"a": 0.06, "b": 0.05}).name == "a"
    assert best_by_posterior_gain(race(first, (longer,)), {"a": 0.05, "b": 0.06}) is longer


def test_a_clear_winner_stands_whatever_was_predicted():
    assert best_by_posterior_gain(race((score("b", 0.1), score("a", 0.0)), clear=True), {"a": 0.9, "b": 0.0}).name == "b"


def test_what_is_given_is_not_changed():
    predicted = {"a": 0.05, "b": 0.04}
    best_by_posterior_gain(race((score("b", 0.0), score("a", 0.0))), predicted)
    assert predicted == {"a": 0.05, "b": 0.04}
