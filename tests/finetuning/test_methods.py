"""The methods on a tiny real BERT: they learn, they move what they say and nothing else, and they repeat."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rootstock.errors import InputError, ParamsError
from rootstock.finetuning.optimisation import rate
from rootstock.head import Head, log_probabilities

TRAINED = ("lora", "full", "dora", "ia3", "bitfit", "last_layers", "gradual_unfreezing")
NAMES = ("linear_probe", *TRAINED)


def fit(toy, method, *, seed=0, setting=None, rows=None, start=None):
    return method.fit(start or toy.start, rows or toy.train, heldout=toy.test, setting=setting, seed=seed)


def last(fitted):
    return fitted.heldout[max(fitted.heldout)]


@pytest.mark.parametrize("name", NAMES)
def test_a_method_learns_what_can_be_learned(toy, make_method, name):
    changes = {} if name == "linear_probe" else {"epochs": 12}
    if name in ("ia3", "bitfit"):
        changes["learning_rate"] = 0.05
    fitted = fit(toy, make_method[name](**changes))
    assert toy.accuracy(last(fitted)) > 0.9
    np.testing.assert_allclose(last(fitted).sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_falls(toy, make_method, name):
    losses = fit(toy, make_method[name](epochs=6)).losses
    assert len(losses) == 6
    assert losses[-1] < losses[0]


def test_trainable_parameters_of_each_method(toy, make_method):
    head = 3 * 16 + 3
    body = sum(parameter.numel() for parameter in toy.start.load().model.parameters())
    one = {"epochs": 1}
    # Two layers, query and value, a pair of 2 x 16 matrices each.
    assert fit(toy, make_method["lora"](**one)).trainable_parameters == 2 * 2 * 2 * 2 * 16 + head
    assert fit(toy, make_method["lora"](last_layers=1, **one)).trainable_parameters == 2 * 2 * 2 * 16 + head
    assert fit(toy, make_method["full"](**one)).trainable_parameters == body + head
    assert fit(toy, make_method["linear_probe"]()).trainable_parameters == head


def test_frozen_weights_are_the_same_to_the_last_bit(toy, make_method):
    before = toy.start.load().model.state_dict()
    after = fit(toy, make_method["lora"]()).encoder.model.state_dict()
    frozen = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): w for name, w in after.items() if "lora" not in name
    }
    assert set(frozen) == set(before)
    assert all(np.array_equal(frozen[name].numpy(), before[name].numpy()) for name in before)
    assert any(w.abs().sum() > 0 for name, w in after.items() if "lora_B" in name)


def test_adapters_stand_only_in_the_last_layers_asked_for(toy, make_method):
    names = fit(toy, make_method["lora"](last_layers=1, epochs=1)).encoder.model.state_dict()
    assert {name.split("layer.")[1][0] for name in names if "lora" in name} == {"1"}


def test_full_fine_tuning_moves_every_layer(toy, make_method):
    before = toy.start.load().model.state_dict()
    after = fit(toy, make_method["full"]()).encoder.model.state_dict()
    # The pooler stands behind the pooled tokens: no gradient reaches it.
    still = [name for name in before if "pooler" not in name and np.array_equal(after[name].numpy(), before[name].numpy())]
    assert [name for name in still if "key.bias" not in name] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_result(toy, make_method, name):
    one, two = (fit(toy, make_method[name](), seed=7) for _ in range(2))
    np.testing.assert_array_equal(last(one), last(two))
    np.testing.assert_array_equal(one.head.weight, two.head.weight)


@pytest.mark.parametrize("name", TRAINED)
def test_another_seed_gives_another_result(toy, make_method, name):
    assert not np.array_equal(last(fit(toy, make_method[name](), seed=7)), last(fit(toy, make_method[name](), seed=8)))


@pytest.mark.parametrize("name", NAMES)
def test_heldout_rows_are_only_predicted(toy, make_method, name):
    method = make_method[name]()
    other = dataclasses.replace(toy.test, labels=(toy.test.labels + 1) % 3)
    one = method.fit(toy.start, toy.train, heldout=toy.test, setting=None, seed=0)
    two = method.fit(toy.start, toy.train, heldout=other, setting=None, seed=0)
    none = method.fit(toy.start, toy.train, heldout=None, setting=None, seed=0)
    np.testing.assert_array_equal(last(one), last(two))
    np.testing.assert_array_equal(one.head.weight, none.head.weight)
    assert none.heldout == {}


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_left_as_they_were(toy, make_method, name):
    before = list(toy.train.inputs), toy.train.labels.copy(), toy.train.features.copy()
    fit(toy, make_method[name]())
    assert list(toy.train.inputs) == before[0]
    np.testing.assert_array_equal(toy.train.labels, before[1])
    np.testing.assert_array_equal(toy.train.features, before[2])


def test_each_epoch_is_predicted_and_a_setting_stops_after_it_on_the_same_schedule(toy, make_method):
    method = make_method["lora"](epochs=4)
    whole, short = fit(toy, method), fit(toy, method, setting=2.0)
    assert list(whole.heldout) == [1.0, 2.0, 3.0, 4.0]
    assert list(short.heldout) == [1.0, 2.0]
    np.testing.assert_array_equal(short.heldout[2.0], whole.heldout[2.0])


def test_each_penalty_is_predicted_and_a_setting_fits_that_one_alone(toy, make_method):
    method = make_method["linear_probe"](0.1, 10.0)
    whole, one = fit(toy, method), fit(toy, method, setting=0.1)
    assert list(whole.heldout) == [0.1, 10.0]
    np.testing.assert_array_equal(one.heldout[0.1], whole.heldout[0.1])
    np.testing.assert_allclose(one.heldout[0.1], np.exp(log_probabilities(toy.test.features, one.head)))


@pytest.mark.parametrize("name", TRAINED)
def test_training_that_diverges_names_step_and_rate(toy, make_method, name):
    with pytest.raises(InputError, match=r"the loss is nan at step \d+ of epoch \d+ with learning_rate 1e\+30; lower finetuning's"):
        fit(toy, make_method[name](learning_rate=1e30, epochs=3))


def test_target_modules_that_match_nothing_are_answered_with_those_there_are(toy, make_method):
    with pytest.raises(
        ParamsError, match=r"target_modules \['q_proj'\] match nothing .* it has dense, .*key, .*query, .*value"
    ) as caught:
        fit(toy, make_method["lora"](target_modules=("q_proj",)))
    assert "LayerNorm" not in str(caught.value)


def test_a_prior_head_is_where_training_starts(toy, make_method):
    random = np.random.default_rng(0)
    prior = Head(random.normal(size=(3, 16)), random.normal(size=3))
    start = dataclasses.replace(toy.start, prior=prior)
    tiny = {"learning_rate": 1e-12, "head_learning_rate": 1e-12, "epochs": 1}
    for method in (make_method["full"](**tiny), make_method["lora"](probe_regularisation=None, **tiny)):
        np.testing.assert_allclose(fit(toy, method, start=start).head.weight, prior.weight, atol=1e-6)


def test_a_prior_head_draws_the_probe_to_it(toy, make_method):
    prior = Head(np.full((3, 16), 0.5), np.zeros(3))
    start = dataclasses.replace(toy.start, prior=prior)
    head = fit(toy, make_method["linear_probe"](1e-9), start=start).head
    np.testing.assert_allclose(head.weight, prior.weight, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_two_rows_a_class_are_enough(toy, make_method, name):
    from rootstock.finetuning.crossvalidate import take

    fitted = fit(toy, make_method[name](), rows=take(toy.train, np.arange(6)))
    assert np.isfinite(last(fitted)).all()


def test_the_rate_warms_up_and_falls_to_zero():
    rates = [rate(step, 100, 0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == 0.0
    assert rate(0, 1, 0.0) == 1.0
