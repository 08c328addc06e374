"""The search for learning rates: it finds better ones where the params' are bad, and never ends worse on the folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rootstock.finetuning.crossvalidate import Option, score_options
from rootstock.finetuning.search import search_rates
from rootstock.params import SearchParams

SEARCH = SearchParams(minutes=5.0, trials=6, factor=30.0)


@pytest.fixture
def best(toy):
    def make(method):
        option = Option(method, None, replace(toy.start, states={}), toy.train)
        return score_options([option], folds=3, seed=0, eligible=everything(toy))[0]

    return make


def everything(toy):
    return np.ones(len(toy.train.labels), dtype=bool)


def run(toy, best, search=SEARCH):
    return search_rates(best, search=search, folds=3, seed=0, eligible=everything(toy))


def test_rates_that_are_far_too_low_are_raised(toy, make_method, best):
    slow = best(make_method["lora"](learning_rate=3e-4, head_learning_rate=1e-3, probe_regularisation=None, epochs=2))
    found, said = run(toy, slow)
    assert found.log_loss < slow.log_loss - 0.01
    assert found.option.method.learning_rate != 3e-4
    assert 3e-4 / 30 <= found.option.method.learning_rate <= 3e-4 * 30
    assert said.startswith("6 trials of learning rates in 5 minutes at most: learning_rate ")


def test_the_rates_of_the_params_stay_where_nothing_better_is_found(toy, make_method, best):
    usual = best(make_method["lora"]())
    found, said = run(toy, usual, SEARCH.model_copy(update={"trials": 1}))
    assert found.option.method == usual.option.method
    assert found.log_loss == usual.log_loss
    assert said.endswith("those of the params stay")


def test_the_same_seed_finds_the_same(toy, make_method, best):
    slow = best(make_method["lora"](learning_rate=3e-4, epochs=1))
    one, two = (run(toy, slow, SEARCH.model_copy(update={"trials": 3}))[0].option.method for _ in range(2))
    assert one == two


def test_a_method_without_learning_rates_is_left_alone(toy, make_method, best):
    probe = best(make_method["linear_probe"]())
    assert run(toy, probe) == (probe, "")


def test_the_budget_of_time_ends_the_search(toy, make_method, best):
    slow = best(make_method["lora"](epochs=1))
    _, said = run(toy, slow, SearchParams(minutes=1e-5, trials=50, factor=10.0))
    assert said.startswith("1 trials")
