"""Whether a source says of the target's rows what the sources nearest to it say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rootstock.similarity.consensus import consensus
from rootstock.similarity.opinions import opinions_of

CLASSES = ("no", "yes")


def said(rows=60, classes=2, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, classes))


def alike(names):
    """All as near."""
    return dict.fromkeys(names, 0.0)


def opinions(values, head_classes=CLASSES, classes=CLASSES):
    return opinions_of(values, head_classes, classes)


def test_of_two_classes_it_is_the_correlation_of_log_odds():
    one, other = said(seed=1), said(seed=2)
    found = consensus({"a": opinions(one), "b": opinions(other)}, alike("ab"))
    expected = np.corrcoef(one[:, 1] - one[:, 0], other[:, 1] - other[:, 0])[0, 1]
    assert found["a"] == pytest.approx((1 + expected) / 2, abs=1e-4)


def test_a_source_counts_the_exponential_of_its_nearness():
    values = {name: said(seed=number) for number, name in enumerate("abc")}
    found = consensus({name: opinions(each) for name, each in values.items()}, {"a": 1.0, "b": -0.5, "c": 0.0})
    correlations = np.corrcoef([each[:, 1] - each[:, 0] for each in values.values()])
    weights = np.array([math.exp(1.0), math.exp(-0.5), 1.0])
    assert [found[name] for name in "abc"] == pytest.approx(correlations @ weights / weights.sum(), abs=1e-3)


def test_few_rows_and_one_near_source_are_enough():
    near, far, odd = said(rows=6, seed=1), said(rows=6, seed=2), -said(rows=6, seed=1)
    each = {"near": opinions(near), "far": opinions(far), "odd": opinions(odd)}
    found = consensus(each, {"near": 2.0, "far": 0.0, "odd": 0.0})
    assert found["near"] > found["far"] > found["odd"]


def test_a_champion_is_held_against_the_sources_and_is_none_of_them():
    values = {name: opinions(said(seed=number)) for number, name in enumerate(["a", "b", "champion"])}
    found = consensus(values, alike("ab"))
    without = consensus({name: values[name] for name in "ab"}, alike("ab"))
    assert found["a"] == without["a"]
    assert found["champion"] is not None


def test_a_champion_that_is_right_stands_above_sources_that_are_less_so_though_these_are_few():
    """It counts for itself as a middling source does: two sources that agree with themselves are not ahead for that."""
    random = np.random.default_rng(0)
    truth = random.normal(size=(400, 2))
    values = {name: opinions(truth + random.normal(size=truth.shape)) for name in "ab"} | {"champion": opinions(truth)}
    found = consensus(values, alike("ab"))
    assert found["champion"] > max(found["a"], found["b"])


def test_without_company_there_is_no_consensus():
    assert consensus({"a": opinions(said()), "silent": None}, {"a": 0.0, "silent": 0.0}) == {"a": None, "silent": None}


def test_inputs_are_not_changed():
    mine, nearness = {"a": opinions(said()), "b": opinions(said(seed=3))}, {"a": 1.0, "b": 0.0}
    before = dict(mine)
    consensus(mine, nearness)
    assert mine == before
    assert nearness == {"a": 1.0, "b": 0.0}
