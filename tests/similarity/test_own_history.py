"""What a team's own outcomes say of the target at hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from rootstock.records import Outcome
from rootstock.similarity.own_history import HALF_TRUST, shift_of


def outcome(target, source, *, rows=32):
    return Outcome(
        task="t",
        target=target,
        source=source,
        backbone="b",
        labelled_rows=rows,
        classes=2,
        evidence={},
        predicted=None,
        realised=0.0,
    )


def shift(errors, *, nearness=None, target="new"):
    """Of (target, source) -> error."""
    past = [outcome(*name.split("<")) for name in errors]
    return shift_of(past, list(errors.values()), target=target, nearness=nearness or {})


def test_no_outcome_moves_nothing():
    assert shift({})("books") == 0.0


def test_one_outcome_by_hand():
    found = shift({"films<books": 0.08})
    assert found("other") == pytest.approx(0.04 / (1 + HALF_TRUST))
    assert found("books") == pytest.approx(0.04 / (1 + HALF_TRUST) + 0.04 / (1 + HALF_TRUST))


def test_what_all_sources_of_a_target_were_off_by_is_not_held_for_the_source():
    """Every source of one target disappoints alike: it was the target."""
    found = shift({f"films<s{i}": -0.1 for i in range(9)})
    assert found.overall == pytest.approx(-0.09 / (1 + HALF_TRUST))
    assert found.by_source[frozenset({"s0"})] == pytest.approx(-0.01 / (1 + HALF_TRUST))


def test_many_targets_are_believed():
    errors = {f"t{i}<{source}": error for i in range(200) for source, error in (("good", 0.05), ("bad", -0.05))}
    found = shift(errors)
    assert found("good") == pytest.approx(0.05, rel=0.05)
    assert found("bad") == pytest.approx(-0.05, rel=0.05)


def test_it_is_the_posterior_mean_of_a_normal_effect_where_levels_are_known():
    """Errors of a source around its effect, as many times more variance within than between as half trust says."""
    random = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(400):
        effect, rest = random.normal(), [f"r{i}" for i in range(30)]
        errors = {}
        for target in range(4):
            errors[f"t{target}<s"] = effect + random.normal(scale=math.sqrt(HALF_TRUST))
            errors |= {f"t{target}<{name}": 0.0 for name in rest}
        found.append(shift(errors).by_source[frozenset({"s"})])
        expected.append(effect)
    slope = np.polyfit(found, expected, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.15)


def test_targets_near_to_this_one_count_more():
    errors = {"near<s": 0.1, "near<other": 0.0, "far<s": -0.1, "far<other": 0.0}
    assert shift(errors, nearness={"near": 1.5, "far": -1.5}).by_source[frozenset({"s"})] > 0.01
    assert shift(errors).by_source[frozenset({"s"})] == pytest.approx(0.0)


def test_the_target_itself_counts_as_its_nearest_source():
    errors = {"new<s": 0.1, "new<other": 0.0}
    itself = shift(errors, nearness={"s": 1.5, "other": -1.5})
    nearest = shift({name.replace("new", "s"): error for name, error in errors.items()}, nearness={"s": 1.5, "other": -1.5})
    assert itself("s") == pytest.approx(nearest("s"))
    assert itself("s") > shift(errors)("s")


def test_outcomes_of_one_source_on_one_target_count_once():
    past = [outcome("films", "books"), outcome("films", "books"), outcome("films", "books", rows=64)]
    once = shift_of([past[0]], [0.06], target="new", nearness={})
    twice = shift_of(past[:2], [0.1, 0.02], target="new", nearness={})
    more = shift_of(past, [0.06, 0.06, 0.06], target="new", nearness={})
    assert twice("books") == pytest.approx(once("books"))
    assert more("books") > twice("books")


def test_sources_learned_from_together_are_the_same_in_whatever_order():
    assert shift({"films<a + b": 0.1})("b + a") == shift({"films<a + b": 0.1})("a + b")


def test_the_order_of_outcomes_does_not_matter():
    errors = {"t0<a": 0.1, "t1<b": -0.02, "t1<a": 0.03}
    assert shift(errors)("a") == pytest.approx(shift(dict(reversed(errors.items())))("a"))


def test_nearness_is_not_changed():
    nearness = {"films": 1.0}
    shift({"films<books": 0.1}, nearness=nearness)
    assert nearness == {"films": 1.0}
