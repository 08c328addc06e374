"""Names of classes: what spelling hides, and words that turn a meaning round."""

from __future__ import annotations

import pytest
from rootstock.similarity.class_names import bare_negation, normal_form, opposed


@pytest.mark.parametrize(
    "name",
    ["card arrival", "Card_Arrival", "card-arrival", "  CARD  arrival?", "CardArrival", "card/arrival", "c'ard.arrival"],
)
def test_spelling_case_and_punctuation_are_hidden(name):
    assert normal_form(name) == "card arrival"


@pytest.mark.parametrize(
    ("one", "two"), [("c", "c++"), ("c", "c#"), ("1", "-1"), ("1.5", "15"), ("1_2", "12"), ("top 5", "top 5%")], ids=str
)
def test_signs_that_make_another_class_stay(one, two):
    assert normal_form(one) != normal_form(two)


def test_short_forms_and_the_ampersand_are_written_out():
    assert normal_form("POS") == "positive"
    assert normal_form("R&D") == normal_form("r and d")
    assert normal_form("possible") == "possible"


def test_a_name_of_signs_alone_has_an_empty_form():
    assert normal_form("?!") == ""


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("offensive", "not offensive"), ("toxic", "non toxic"), ("legal", "illegal"), ("satisfied", "dissatisfied"),
        ("verify identity", "unable to verify identity"), ("positive", "negative"), ("very positive review", "a negative review"),
        ("price increase", "price decreases"), ("refund accepted", "refund rejected"), ("lost card", "stolen card"),
        ("cash in", "cash out"), ("class 1", "class 2"), ("2 stars", "3 stars"), ("type b", "type c"), ("x", "y"),
        ("monday", "tuesday"),
        ("level two", "level three"), ("yes", "no"), ("cat5 cable", "cat6 cable"),
    ],
    ids=str,
)  # fmt: skip
def test_names_that_differ_by_what_turns_the_meaning_are_opposed_both_ways(one, two):
    assert opposed(one, two)
    assert opposed(two, one)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("sports", "athletics"), ("card arrival", "card delivery"), ("positive", "very positive"), ("not working", "never working"),
        ("5 stars", "rating of 5"), ("good", "positive"), ("lost or stolen card", "stolen or lost card"), ("unit", "union"),
    ],
    ids=str,
)  # fmt: skip
def test_other_names_are_not(one, two):
    assert not opposed(one, two)
    assert not opposed(two, one)


def test_a_set_that_only_denies_is_told():
    assert bare_negation("urgent", "not urgent")
    assert not bare_negation("positive", "negative")
