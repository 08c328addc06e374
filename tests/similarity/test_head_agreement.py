"""Whether other sources' heads confirm a candidate's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rootstock.similarity.head_agreement import head_agreement
from rootstock.similarity.opinions import opinions_of

CLASSES = ("no", "yes")


def opinions(seed, rows=40):
    return opinions_of(np.random.default_rng(seed).normal(size=(rows, 2)), CLASSES, CLASSES)


OPINIONS = {name: opinions(seed) for seed, name in enumerate(["a", "b", "c", "champion"])} | {"silent": None}
NEARNESS = {"a": 0.5, "b": 0.0, "c": -1.0, "silent": 0.0}


def correlation(one, other):
    return np.corrcoef(np.ravel(OPINIONS[one]), np.ravel(OPINIONS[other]))[0, 1]


def test_it_is_the_mean_correlation_with_the_others_by_their_nearness():
    weights = {name: math.exp(near) for name, near in NEARNESS.items()}
    expected = (weights["b"] * correlation("a", "b") + weights["c"] * correlation("a", "c")) / (weights["b"] + weights["c"])
    assert head_agreement(OPINIONS, NEARNESS)["a"] == pytest.approx(expected)


def test_the_champion_is_held_against_the_sources_and_is_none_of_them():
    found = head_agreement(OPINIONS, dict.fromkeys("abc", 0.0))
    assert found["champion"] == pytest.approx(np.mean([correlation("champion", name) for name in "abc"]))
    without = head_agreement({name: OPINIONS[name] for name in "abc"}, dict.fromkeys("abc", 0.0))
    assert without["a"] == found["a"]


def test_a_candidate_without_a_head_or_without_company_has_no_score():
    assert head_agreement(OPINIONS, NEARNESS)["silent"] is None
    assert head_agreement({"a": opinions(0)}, {"a": 0.0}) == {"a": None}


def test_the_order_of_sources_does_not_matter():
    turned = {name: OPINIONS[name] for name in reversed(OPINIONS)}
    assert head_agreement(turned, NEARNESS) == pytest.approx(head_agreement(OPINIONS, NEARNESS))


@pytest.mark.parametrize("rows", [4, 400])
def test_a_head_that_says_the_contrary_of_a_near_one_disagrees(rows):
    near = np.random.default_rng(0).normal(size=(rows, 2))
    each = {"near": opinions_of(near, CLASSES, CLASSES), "contrary": opinions_of(-near, CLASSES, CLASSES)}
    assert head_agreement(each, {"near": 1.0, "contrary": 0.0})["contrary"] == pytest.approx(-1.0)


def test_opinions_are_not_changed():
    before = dict(OPINIONS)
    head_agreement(OPINIONS, NEARNESS)
    assert before == OPINIONS
