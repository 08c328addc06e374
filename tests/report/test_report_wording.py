"""How numbers and names are worded."""

from __future__ import annotations

import pytest
from rootstock.records import Measure
from rootstock.report import wording


def measure(value: float, unit: str) -> Measure:
    return Measure(value=value, low=value - 0.1, high=value + 0.1, n=10, unit=unit, higher_is_better=True)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0421, "+4.2"), (-0.02, "\u22122.0"), (0.0, "0.0"), (-0.0001, "0.0"), (float("nan"), "not defined")]
)
def test_points_carry_their_sign_and_nought_has_none(value: float, text: str) -> None:
    assert wording.points(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4494, "0.449"), (1200, "1,200"), (12.345, "12.35"), (-1.5, "\u22121.5"), (1e-5, "1.0e\u221205"), (None, "not defined")],
)
def test_plain_numbers_have_about_three_figures(value: float | None, text: str) -> None:
    assert wording.plain(value) == text


def test_shares_are_per_cents_and_other_units_are_named() -> None:
    assert wording.value(measure(0.842, "share")) == "84.2\u202f%"
    assert wording.value(measure(0.842, "nats")) == "0.842 nats"


@pytest.mark.parametrize(("seconds", "text"), [(0.02, "20 ms"), (5.44, "5.4 s"), (88, "1 min 28 s"), (3700, "1 h 1 min")])
def test_durations_use_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_a_clipped_text_is_no_longer_than_asked_and_says_that_it_was_cut() -> None:
    cut = wording.clip("x" * 500, 100)
    assert len(cut) == 100
    assert cut.endswith("\u2026")


def test_an_emoji_joined_from_several_is_not_cut_at_its_joiner() -> None:
    assert wording.clip("ab\U0001f469\u200d\U0001f52c tail", 5) == "ab\U0001f469\u2026"


def test_lone_surrogates_are_replaced_so_that_the_page_can_be_encoded() -> None:
    assert wording.clip("a\ud800b").encode() == "a\ufffdb".encode()


@pytest.mark.parametrize(
    ("text", "said"), [("all gates passed", "All gates passed."), ("numpy-docs won", "numpy-docs won."), ("", "")]
)
def test_a_sentence_begins_with_a_capital_unless_with_a_name(text: str, said: str) -> None:
    assert wording.sentence(text) == said


@pytest.mark.parametrize(
    ("number", "noun", "text"), [(1, "row", "1 row"), (450, "test row", "450 test rows"), (2, "class", "2 classes")]
)
def test_counts_agree_with_their_noun(number: int, noun: str, text: str) -> None:
    assert wording.count(number, noun) == text
