"""Test rows as they might have come in, and the model's answers to them."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError
from rootstock.classifier import Prediction
from rootstock.errors import DataError
from rootstock.evaluation.perturbation.blanks import Blanks
from rootstock.evaluation.perturbation.blur import Blur
from rootstock.evaluation.perturbation.brightness import Brightness
from rootstock.evaluation.perturbation.letter_case import LetterCase
from rootstock.evaluation.perturbation.noise import Noise
from rootstock.evaluation.perturbation.truncation import Truncation
from rootstock.evaluation.perturbation.typos import Typos
from rootstock.evaluation.perturbed import perturbed_columns
from rootstock.part import Perturbation, families, members, parse_part

TEXTS = [f"The {number}th sentence, which is about ships and their harbours." for number in range(200)]
OF_TEXTS = [Typos(share=0.1), LetterCase(to="upper"), Blanks(share=0.3), Truncation(share=0.5)]
OF_IMAGES = [Noise(deviation=0.1), Blur(radius=2.0), Brightness(factor=0.5)]


def picture(mode: str = "RGB", *, seed: int = 0) -> bytes:
    random = np.random.default_rng(seed)
    pixels = random.integers(60, 200, size=(24, 20, 3) if mode == "RGB" else (24, 20)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def opened(content: bytes | Image.Image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)) if isinstance(content, bytes) else content, dtype=np.float64)


def inputs_of(each: Perturbation) -> list[Any]:
    return TEXTS[:20] if each.reads == "text" else [picture(seed=n) for n in range(4)] + [picture("L")]


every = pytest.mark.parametrize("each", OF_TEXTS + OF_IMAGES, ids=lambda each: each.name)


def test_the_family_is_found_by_its_files() -> None:
    assert set(members(Perturbation)) == {each.name for each in OF_TEXTS + OF_IMAGES}
    assert Perturbation in families()


@every
def test_the_same_seed_gives_the_same_rows_and_inputs_stay(each: Perturbation) -> None:
    inputs = inputs_of(each)
    before = list(inputs)
    assert each.perturb(inputs, seed=3) == each.perturb(inputs, seed=3)
    assert inputs == before
    assert len(each.perturb(inputs, seed=3)) == len(inputs)
    assert each.perturb([], seed=3) == []


@every
def test_rows_are_changed(each: Perturbation) -> None:
    inputs = inputs_of(each)
    assert sum(one != other for one, other in zip(inputs, each.perturb(inputs, seed=0), strict=True)) >= len(inputs) - 4


@pytest.mark.parametrize("each", [Typos(share=0.1), Blanks(share=0.3), Noise(deviation=0.1)], ids=lambda each: each.name)
def test_another_seed_gives_other_rows(each: Perturbation) -> None:
    inputs = inputs_of(each)
    assert each.perturb(inputs, seed=0) != each.perturb(inputs, seed=1)


def test_typos_come_as_often_as_asked_for() -> None:
    """A slip of one kind in three leaves a letter out, doubles one, or exchanges two: the length stays what it was on average."""
    typed = Typos(share=0.1).perturb(TEXTS, seed=0)
    lengths = [len(one) - len(other) for one, other in zip(typed, TEXTS, strict=True)]
    assert abs(float(np.mean(lengths))) < 0.6
    assert 0.5 < float(np.std(lengths)) < 3.0
    assert Typos(share=1.0).perturb(["abcd"], seed=0) != ["abcd"]


@pytest.mark.parametrize("text", ["a", "!!", ""])
def test_typos_leave_no_row_without_a_letter(text: str) -> None:
    assert all(Typos(share=1.0).perturb([text], seed=seed)[0].strip() == text.strip() or text == "a" for seed in range(20))
    assert all(Typos(share=1.0).perturb(["a"], seed=seed)[0] for seed in range(20))


def test_letter_case() -> None:
    assert LetterCase(to="upper").perturb(["Crème 1"], seed=0) == ["CRÈME 1"]
    assert LetterCase(to="lower").perturb(["Crème 1"], seed=0) == ["crème 1"]


def test_blanks_change_nothing_but_blanks() -> None:
    found = Blanks(share=0.5).perturb(TEXTS, seed=0)
    assert [text.split() for text in found] == [text.split() for text in TEXTS]
    assert found != TEXTS


@pytest.mark.parametrize(
    ("text", "cut"), [("a b c d", "a b"), ("a b c", "a b"), ("a", "a"), ("", ""), (" ", " "), (" a\tb ", " a")]
)
def test_truncation_keeps_the_first_words_and_at_least_one(text: str, cut: str) -> None:
    assert Truncation(share=0.5).perturb([text], seed=0) == [cut]


def test_truncation_leaves_what_stands_between_the_words_kept_as_it_stood() -> None:
    assert Truncation(share=0.75).perturb(["a\n\nb\t c  d"], seed=0) == ["a\n\nb\t c"]


@pytest.mark.parametrize(("text", "cut"), [("机器学习很有用", "机器学习"), (" 学习 ", " 学"), ("学", "学")])
def test_truncation_cuts_a_text_without_blanks_by_its_characters(text: str, cut: str) -> None:
    assert Truncation(share=0.5).perturb([text], seed=0) == [cut]


def test_noise_has_the_deviation_asked_for() -> None:
    content = picture()
    error = opened(Noise(deviation=0.05).perturb([content], seed=0)[0]) - opened(content)
    assert error.std() == pytest.approx(255 * 0.05, rel=0.1)
    assert abs(error.mean()) < 1.5


def test_blur_takes_contrast_and_leaves_the_mean() -> None:
    content = picture()
    blurred = opened(Blur(radius=2.0).perturb([content], seed=0)[0])
    assert blurred.std() < 0.5 * opened(content).std()
    assert blurred.mean() == pytest.approx(opened(content).mean(), rel=0.03)


def test_brightness_multiplies() -> None:
    content = picture("L")
    np.testing.assert_allclose(opened(Brightness(factor=0.5).perturb([content], seed=0)[0]), opened(content) / 2, atol=1.0)


@pytest.mark.parametrize(
    "made",
    [lambda: Typos(share=0.0), lambda: Blanks(share=1.5), lambda: Truncation(share=1.0), lambda: Noise(deviation=0.0),
     lambda: LetterCase(to="title"), lambda: Blur(radius=-1.0), lambda: Brightness(factor=0.0)],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(made: Any) -> None:
    with pytest.raises(ValidationError):
        made()


def test_an_unknown_perturbation_is_answered_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown perturbation 'typo'; known: .*; did you mean 'typos'\?"):
        parse_part(Perturbation, {"name": "typo", "share": 0.1})  # type: ignore[type-abstract]


class Shouting:
    """Sure of b where a text is in capitals, of a otherwise; its labels stand in another order than the task's."""

    labels = ("b", "a")

    def predict(self, inputs: list[str]) -> Prediction:
        shouted = np.array([float(text.isupper()) for text in inputs])
        return Prediction(np.stack([0.1 + 0.8 * shouted, 0.9 - 0.8 * shouted], axis=1), np.zeros((len(inputs), 2)))


def rows_of(texts: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"id": [f"r{n}" for n in range(len(texts))], "input": texts})


def test_the_model_is_asked_about_the_changed_rows() -> None:
    model: Any = Shouting()
    found = perturbed_columns(model, rows_of(["x y", "z"]), labels=("a", "b"), perturbations=OF_TEXTS[1:3], seed=0)
    assert [next(iter(frame.columns)) for frame in found] == ["predicted:model~letter_case", "predicted:model~blanks"]
    assert list(found[0]["predicted:model~letter_case"]) == ["b", "b"]
    assert list(found[1]["predicted:model~blanks"]) == ["a", "a"]
    assert perturbed_columns(model, rows_of(["x y"]), labels=("a", "b"), perturbations=[], seed=0) == []


def test_each_row_says_whether_it_was_changed() -> None:
    model: Any = Shouting()
    found = perturbed_columns(model, rows_of(["x y", "Z"]), labels=("a", "b"), perturbations=OF_TEXTS[1:2], seed=0)[0]
    assert list(found["changed:model~letter_case"]) == [True, False]


def test_what_becomes_of_a_row_does_not_depend_on_its_neighbours() -> None:
    seen: list[list[str]] = []
    model: Any = SimpleNamespace(labels=("a", "b"), predict=lambda inputs: seen.append(inputs) or Shouting().predict(inputs))
    rows = rows_of(TEXTS[:6])
    for asked in (rows, rows.iloc[[4, 2]]):
        perturbed_columns(model, asked, labels=("a", "b"), perturbations=[Typos(share=0.2)], seed=0)
    assert seen[1] == [seen[0][4], seen[0][2]]


def test_probabilities_that_are_none_name_the_perturbation_and_the_row() -> None:
    model: Any = SimpleNamespace(labels=("a", "b"), predict=lambda inputs: Prediction(np.full((2, 2), np.nan), np.zeros((2, 2))))
    with pytest.raises(DataError, match=r"model under typos: expected finite probabilities that sum to 1, found .* for row r0"):
        perturbed_columns(model, rows_of(["x", "y"]), labels=("a", "b"), perturbations=[Typos(share=0.1)], seed=0)
