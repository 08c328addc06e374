"""Which weights each method trains, and how many; the others stay what they were to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.errors import ParamsError

HEAD = 3 * 16 + 3
LAYER = 4 * (16 * 16 + 16) + 2 * 16 * 32 + 32 + 16 + 4 * 16  # attention, feed-forward of width 32, two norms


def fit(toy, method):
    return method.fit(toy.start, toy.train, heldout=None, setting=None, seed=0)


def merged(fitted):
    model = fitted.encoder.model
    return (model.merge_and_unload() if hasattr(model, "peft_config") else model).state_dict()


def changed(toy, fitted):
    before, after = toy.start.load().model.state_dict(), merged(fitted)
    assert set(before) == set(after)
    return {name for name in before if not np.array_equal(before[name].numpy(), after[name].numpy())}


def test_the_toy_has_the_width_that_the_counts_are_made_for(toy):
    config = toy.start.load().model.config
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (16, 32, 2)


def test_dora_trains_the_low_rank_pairs_and_a_size_a_row(toy, make_method):
    fitted = fit(toy, make_method["dora"](epochs=1))
    assert fitted.trainable_parameters == 2 * 2 * (2 * 2 * 16 + 16) + HEAD


def test_ia3_trains_a_factor_an_output(toy, make_method):
    fitted = fit(toy, make_method["ia3"](epochs=1))
    # In each layer keys, values, and both layers that are called output.dense.
    assert fitted.trainable_parameters == 2 * 4 * 16 + HEAD
    assert all(".attention.self." in name or "output.dense" in name for name in changed(toy, fitted))


def test_ia3_in_the_last_layer_leaves_the_first(toy, make_method):
    fitted = fit(toy, make_method["ia3"](epochs=2, last_layers=1, learning_rate=0.05))
    assert fitted.trainable_parameters == 4 * 16 + HEAD
    assert changed(toy, fitted)
    assert all(name.startswith("encoder.layer.1.") for name in changed(toy, fitted))


def test_ia3_whose_feed_forward_is_no_target_is_refused(toy, make_method):
    with pytest.raises(ParamsError, match=r"ia3\.feedforward_modules has dense, which is not in target_modules; add it there"):
        fit(toy, make_method["ia3"](feedforward_modules=("dense",)))


def test_bitfit_trains_biases_and_no_weight(toy, make_method):
    fitted = fit(toy, make_method["bitfit"](epochs=1))
    biases = [p.numel() for name, p in toy.start.load().model.named_parameters() if name.endswith("bias")]
    assert fitted.trainable_parameters == sum(biases) + HEAD
    assert changed(toy, fitted)
    assert all(name.endswith("bias") for name in changed(toy, fitted))


def test_last_layers_trains_those_alone(toy, make_method):
    fitted = fit(toy, make_method["last_layers"](epochs=1))
    assert fitted.trainable_parameters == LAYER + HEAD
    assert all(name.startswith("encoder.layer.1.") for name in changed(toy, fitted))


def test_more_layers_than_there_are_is_refused_with_their_number(toy, make_method):
    with pytest.raises(ParamsError, match=r"last_layers\.layers is 3, but this backbone has 2"):
        fit(toy, make_method["last_layers"](layers=3))
    with pytest.raises(ParamsError, match="last_layers of lora is 3, but this backbone has 2"):
        fit(toy, make_method["lora"](last_layers=3))


@pytest.mark.parametrize("name", ["lora", "dora"])
def test_a_rank_larger_than_the_layer_is_refused_with_the_largest(toy, make_method, name):
    with pytest.raises(ParamsError, match=rf"rank of {name} is 17, larger than the layer .*query.* choose a rank of at most 16"):
        fit(toy, make_method[name](rank=17))


def test_gradual_unfreezing_starts_with_the_last_layer(toy, make_method):
    one, two, three = (changed(toy, fit(toy, make_method["gradual_unfreezing"](epochs=epochs))) for epochs in (1, 2, 3))
    assert {name.split(".")[0] + name.split("layer.")[-1][:1] for name in one} == {"encoder1"}
    assert any(name.startswith("encoder.layer.0.") for name in two)
    assert not any(name.startswith("embeddings.") for name in two)
    assert any(name.startswith("embeddings.") for name in three)


def test_lower_layers_move_less_where_rates_decay_with_depth(toy, make_method):
    def distance(decay, prefix):
        before = toy.start.load().model.state_dict()
        after = fit(toy, make_method["full"](layer_decay=decay, epochs=2)).encoder.model.state_dict()
        return sum(float((after[name] - before[name]).abs().sum()) for name in before if name.startswith(prefix))

    for prefix in ("embeddings.", "encoder.layer.0."):
        assert distance(0.1, prefix) < 0.5 * distance(1.0, prefix)


def test_a_class_with_few_rows_counts_as_much_as_one_with_many_where_weights_are_balanced(toy, make_method):
    from rootstock.finetuning.crossvalidate import take

    rare = np.flatnonzero(toy.train.labels == 2)[:2]
    rows = take(toy.train, np.concatenate([np.flatnonzero(toy.train.labels != 2), rare]))

    def share_of_rare(weights):
        method = make_method["lora"](class_weights=weights, epochs=2, probe_regularisation=None)
        fitted = method.fit(toy.start, rows, heldout=toy.test, setting=None, seed=0)
        return float(fitted.heldout[2.0][:, 2].mean())

    assert share_of_rare("balanced") > share_of_rare("equal") + 0.02


def test_label_smoothing_makes_answers_less_sure(toy, make_method):
    def sureness(smoothing):
        fitted = make_method["full"](label_smoothing=smoothing, epochs=10).fit(
            toy.start, toy.train, heldout=toy.test, setting=None, seed=0
        )
        return float(fitted.heldout[10.0].max(axis=1).mean())

    assert sureness(0.3) < sureness(0.0)


def test_augmented_rows_are_what_is_trained_on_and_the_frozen_layers_are_not_kept(toy, make_method, monkeypatch):
    from rootstock.data.text import Text
    from rootstock.finetuning.augmentation.word_dropout import WordDropout

    seen = []
    real = Text.tensors
    monkeypatch.setattr(Text, "tensors", lambda self, inputs, processor: seen.extend(inputs) or real(self, inputs, processor))
    method = make_method["lora"](last_layers=1, epochs=2, augmentations=(WordDropout(share=0.5),))
    fitted = method.fit(toy.start, toy.train, heldout=None, setting=None, seed=0)
    assert len(fitted.losses) == 2
    assert sum(text not in set(toy.train.inputs) for text in seen) > len(toy.train.inputs) / 4


def test_an_augmentation_of_pictures_is_refused_for_texts(toy, make_method):
    from rootstock.finetuning.augmentation.flip import Flip

    with pytest.raises(ParamsError, match="expected some that read text"):
        fit(toy, make_method["lora"](augmentations=(Flip(horizontal=0.5, vertical=0.0),)))
