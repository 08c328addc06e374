from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.errors import InputError
from rootstock.registration.served_classifier import ServedClassifier


class Fake:
    labels = ("short", "long")

    def predict(self, inputs: Any) -> Any:
        odds = np.array([0.9 if len(text) > 3 else 0.2 for text in inputs])
        return SimpleNamespace(probabilities=np.column_stack([1 - odds, odds]))


@pytest.fixture
def model() -> ServedClassifier:
    served = ServedClassifier()
    served.classifier = Fake()  # type: ignore[assignment]
    return served


@pytest.mark.parametrize(
    "given",
    [
        ["no", "longer"],
        ("no", "longer"),
        np.array(["no", "longer"], dtype=object),
        pd.Series(["no", "longer"]),
        pd.DataFrame({"other": [1, 2], "input": ["no", "longer"]}),
    ],
)
def test_lists_series_and_frames_are_answered_alike(model: ServedClassifier, given: Any) -> None:
    answers = model.predict(None, given)
    assert list(answers.columns) == ["predicted", "short", "long"]
    assert list(answers["predicted"]) == ["short", "long"]
    assert list(answers["long"]) == [0.2, 0.9]


def test_the_index_of_a_frame_is_kept_and_the_frame_left_alone(model: ServedClassifier) -> None:
    frame = pd.DataFrame({"input": ["no", "longer"]}, index=["a", "b"])
    before = frame.copy()
    assert list(model.predict(None, frame).index) == ["a", "b"]
    pd.testing.assert_frame_equal(frame, before)


def test_one_text_is_one_row_and_no_text_is_none(model: ServedClassifier) -> None:
    assert list(model.predict(None, "longer")["predicted"]) == ["long"]
    assert model.predict(None, []).shape == (0, 3)


def test_a_frame_without_the_column_is_an_error_naming_what_it_has(model: ServedClassifier) -> None:
    with pytest.raises(InputError, match="expected a column 'input', found text"):
        model.predict(None, pd.DataFrame({"text": ["a"]}))


def test_a_missing_value_is_an_error_naming_its_row(model: ServedClassifier) -> None:
    with pytest.raises(InputError, match="row 1: expected a text"):
        model.predict(None, ["fine", None])
