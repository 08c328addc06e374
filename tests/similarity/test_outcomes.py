"""What is kept of earlier transfers."""

from __future__ import annotations

import pytest
from rootstock.records import Outcome
from rootstock.similarity.evidence import JOINED_SOURCES
from rootstock.similarity.outcomes import bundled_outcomes, kindred_tasks, static_prior


def outcome(source, gain):
    return Outcome(
        task="t",
        target="mine",
        source=source,
        backbone="b",
        labelled_rows=32,
        classes=2,
        evidence={},
        predicted=None,
        realised=gain,
    )


def test_a_source_that_was_never_used_has_no_prior():
    assert static_prior((outcome("films", 0.1),), "books", confidence=0.9) is None


def test_the_prior_is_the_mean_gain_with_students_interval():
    found = static_prior(tuple(outcome("films", gain) for gain in (0.1, 0.2, 0.3)), "films", confidence=0.9)
    assert (found.value, found.n) == (pytest.approx(0.2), 3)
    assert found.high - found.value == pytest.approx(2.92 * 0.1 / 3**0.5, rel=1e-3), "t of 2 degrees of freedom at .95 is 2.92"


def test_sources_together_are_the_same_in_whatever_order_and_none_of_their_members():
    past = (outcome("films + books", 0.1), outcome("books + films", 0.3), outcome("films", 0.9))
    assert static_prior(past, "books + films", confidence=0.9).value == pytest.approx(0.2)
    assert static_prior(past, "films", confidence=0.9).value == pytest.approx(0.9)


def test_outcomes_of_sources_together_are_bundled_for_more_than_one_task():
    joined = [each for each in bundled_outcomes() if (each.evidence.get(JOINED_SOURCES) or 1) > 1]
    assert {"reviews", "sentiment", "digits", "letters"} == {each.task for each in joined}
    assert all(" + " in each.source for each in joined)


def test_there_are_bundled_tasks_enough_of_each_modality_to_tell_an_error_from():
    assert kindred_tasks("text") == {"reviews", "sentiment", "docs"}
    assert kindred_tasks("image") == {"digits", "letters"}
    assert kindred_tasks("sound") == frozenset()
