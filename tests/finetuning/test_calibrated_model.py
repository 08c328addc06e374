"""A temperature is found on rows that the fits did not see, and goes with the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rootstock.classifier import Classifier, read_card
from rootstock.data.text import Text
from rootstock.finetuning.crossvalidate import Option, held_out_probabilities, score_options, stratified_folds
from rootstock.finetuning.save import Lineage, save_model
from rootstock.temperature import at_temperature, fit_temperature

LABELS = ("boats", "bread", "stars")


@pytest.fixture(scope="module")
def scored(toy, make_method):
    option = Option(make_method["lora"](epochs=2), None, toy.start, toy.train)
    return score_options([option], folds=3, seed=0, eligible=np.ones(len(toy.train.labels), dtype=bool))[0]


def test_the_temperature_is_that_of_the_out_of_fold_probabilities(scored, toy):
    splits = stratified_folds(toy.train.labels, folds=3, seed=0)
    held_out = held_out_probabilities(scored.option, splits, seed=0)[scored.setting]
    assert scored.temperature == fit_temperature(held_out, toy.train.labels)
    assert scored.temperature != 1.0


def test_it_makes_the_out_of_fold_log_loss_no_larger(scored, toy):
    splits = stratified_folds(toy.train.labels, folds=3, seed=0)
    held_out = held_out_probabilities(scored.option, splits, seed=0)[scored.setting]
    rows = np.arange(len(toy.train.labels))
    after = -np.log(at_temperature(held_out, scored.temperature)[rows, toy.train.labels]).mean()
    assert after <= scored.log_loss + 1e-9


def test_a_saved_model_applies_it_and_says_the_same_labels(scored, toy, tmp_path):
    fitted = scored.option.method.fit(toy.start, toy.train, heldout=None, setting=scored.setting, seed=0)
    answers = {}
    for temperature in (1.0, scored.temperature, 3.0):
        folder = tmp_path / f"{temperature}"
        save_model(
            folder, fitted, labels=LABELS, modality=Text(max_tokens=16), lineage=Lineage(str(toy.backbone), "mean", None), name="x",
            inputs=[], temperature=temperature,
        )  # fmt: skip
        assert read_card(Path(folder)).temperature == temperature
        answers[temperature] = Classifier.load(folder).predict(toy.test.inputs).probabilities
    plain = answers[1.0]
    for temperature, found in answers.items():
        np.testing.assert_array_equal(found.argmax(axis=1), plain.argmax(axis=1))
        np.testing.assert_allclose(found, at_temperature(plain, temperature), atol=1e-9)
