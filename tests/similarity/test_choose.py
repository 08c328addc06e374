"""Choosing one candidate, or none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rootstock.records import Candidate, Measure
from rootstock.similarity.choose import choose, order

SETTINGS = SimpleNamespace(abstain_below_gain=0.0, max_risk=0.5, confidence=0.9)


def candidate(name, gain=0.1, *, risk=0.1, kind="domain", excluded=None):
    measure = None if gain is None else Measure(
        value=gain, low=gain - 0.05, high=gain + 0.05, n=20, unit="accuracy", higher_is_better=True
    )  # fmt: skip
    return Candidate(
        name=name, source=name, backbone="b", kind=kind, scores={}, evidence={}, predicted_gain=measure,
        risk=None if gain is None else risk, prior=None, matched_labels={}, rows=20, notes=(), excluded=excluded,
    )  # fmt: skip


ALONE = candidate("backbone alone", None, kind="backbone")


def decide(*candidates, **changes):
    return choose(candidates, SimpleNamespace(**(vars(SETTINGS) | changes)), rows=20)


def test_the_highest_predicted_gain_is_chosen_and_the_reason_has_its_evidence():
    choice = decide(ALONE, candidate("x", 0.04), candidate("y", 0.12, risk=0.03))
    assert choice.candidate.name == "y"
    interval = "90% interval +7.0 points to +17.0 points"
    for part in ("y is expected to gain +12.0 points", interval, "risk of 3%", "20 labelled rows"):
        assert part in choice.reason
    assert "next is x with +4.0 points" in choice.reason


@pytest.mark.parametrize(("gain", "risk"), [(-0.01, 0.4), (0.02, 0.6)], ids=["gain under the floor", "risk above the limit"])
def test_it_abstains_and_says_so(gain, risk):
    choice = decide(ALONE, candidate("x", gain, risk=risk))
    assert choice.candidate is None
    assert choice.reason.startswith("none of the sources is good enough: x is expected")
    assert choice.reason.endswith("train on the target alone")


def test_the_champion_may_be_the_best_start():
    choice = decide(ALONE, candidate("x", 0.04), candidate("champion", 0.2, kind="champion"))
    assert choice.candidate.kind == "champion"
    assert choice.reason.startswith("the champion is still the best start: ")


def test_an_excluded_candidate_is_never_chosen():
    assert decide(ALONE, candidate("x", 0.5, excluded="too large"), candidate("y", 0.1)).candidate.name == "y"


def test_the_control_from_scratch_is_never_chosen():
    assert decide(ALONE, candidate("from scratch", 0.9, kind="scratch"), candidate("y", 0.1)).candidate.name == "y"


def test_another_backbone_alone_may_be_chosen_over_a_source():
    choice = decide(ALONE, candidate("x", 0.04), candidate("backbone alone on big", 0.2, kind="backbone"))
    assert choice.candidate.name == "backbone alone on big"


def test_without_sources_there_is_nothing_to_choose():
    choice = decide(ALONE)
    assert choice.candidate is None
    assert "no source to learn from" in choice.reason


def test_sources_that_are_all_excluded_are_counted():
    choice = decide(ALONE, candidate("x", excluded="no licence"), candidate("y", excluded="no rows"))
    assert choice.reason == "there is no source to learn from (2 excluded): the backbone alone is the start"


def test_a_first_backbone_over_a_limit_is_what_is_left_and_the_reason_says_so():
    over = ALONE.model_copy(update={"excluded": "the backbone's weights take 86.7 MiB, at most 1 allowed"})
    reason = decide(over, candidate("x", excluded="the same")).reason
    assert (
        "is the start, though it is over a limit itself: the backbone's weights take 86.7 MiB, at most 1 allowed; raise" in reason
    )


def test_candidates_are_ordered_by_gain_then_controls_then_the_excluded():
    given = [candidate("out", 0.9, excluded="why"), ALONE, candidate("low", 0.01), candidate("high", 0.2)]
    assert [c.name for c in order(given)] == ["high", "low", "backbone alone", "out"]


def test_the_order_given_does_not_matter():
    given = [candidate("b", 0.1), candidate("a", 0.1), ALONE]
    assert order(given) == order(given[::-1])
