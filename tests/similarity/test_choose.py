"""Combining scores, and choosing one source or none."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rootstock.records import Candidate, Measure
from rootstock.similarity.choose import choose, combine

METRICS = [SimpleNamespace(name="a", weight=1.0), SimpleNamespace(name="b", weight=0.5), SimpleNamespace(name="shown", weight=0.0)]
SETTINGS = SimpleNamespace(abstain_below_gain=-0.02)


def candidate(source, a=None, b=None, *, kind="domain", gain=0.1, excluded=None, shown=0.0):
    measure = Measure(value=gain, low=gain - 0.05, high=gain + 0.05, n=20, unit="accuracy", higher_is_better=True)
    return Candidate(
        source=source, kind=kind, scores={"a": a, "b": b, "shown": shown}, combined=None, rows=20, excluded=excluded,
        predicted_gain=None if kind == "backbone" or excluded else measure,
    )  # fmt: skip


def decide(*candidates):
    return choose(combine(candidates, METRICS), SETTINGS, rows=20, seconds=1.0)


def test_the_combined_score_by_hand():
    found = {c.source: c.combined for c in combine([candidate("x", 1.0, 3.0), candidate("y", 3.0, 1.0)], METRICS)}
    # Standardised: x (-1, +1), y (+1, -1); weights 1 and 0.5.
    assert found == pytest.approx({"x": (-1.0 + 0.5) / 1.5, "y": (1.0 - 0.5) / 1.5})


def test_the_unit_of_a_metric_does_not_matter():
    small = combine([candidate("x", 1.0, 3.0), candidate("y", 2.0, 9.0), candidate("z", 4.0, 1.0)], METRICS)
    large = combine([candidate("x", 100.0, 3.5), candidate("y", 200.0, 9.5), candidate("z", 400.0, 1.5)], METRICS)
    assert [c.source for c in small] == [c.source for c in large]
    assert [c.combined for c in small] == pytest.approx([c.combined for c in large])


def test_a_metric_of_weight_zero_is_shown_and_does_not_count():
    one = combine([candidate("x", 1.0, 1.0, shown=9.0), candidate("y", 2.0, 2.0, shown=0.0)], METRICS)
    assert [c.source for c in one] == ["y", "x"]
    assert one[1].scores["shown"] == 9.0


def test_a_metric_that_is_not_defined_is_left_out_of_the_mean():
    found = {
        c.source: c.combined for c in combine([candidate("champion", 5.0, kind="champion"), candidate("x", 1.0, 3.0)], METRICS)
    }
    assert found["champion"] == pytest.approx(1.0)
    assert found["x"] == pytest.approx((-1.0 + 0.0) / 1.5)


def test_the_backbone_alone_has_no_combined_score_and_does_not_move_the_others():
    others = [candidate("x", 1.0, 3.0), candidate("y", 2.0, 1.0)]
    backbone = candidate("backbone alone", 9.0, 9.0, kind="backbone")
    without, beside = combine(others, METRICS), combine([backbone, *others], METRICS)
    assert beside[-1].combined is None
    assert beside[:-1] == without


def test_the_best_is_chosen_and_the_reason_says_so():
    found = decide(candidate("x", 1.0, 1.0), candidate("y", 2.0, 2.0))
    assert (found.chosen, found.chosen_kind) == ("y", "domain")
    assert found.reason == (
        "y has the best combined score (+1.00, ahead of x (-1.00)) on 20 labelled rows; "
        "predicted gain +10.0 points (interval +5.0 points to +15.0 points)"
    )


def test_a_gain_under_the_floor_is_no_source_and_the_reason_has_the_numbers():
    found = decide(candidate("x", 2.0, 2.0, gain=-0.03), candidate("y", 1.0, 1.0, gain=0.5))
    assert (found.chosen, found.chosen_kind) == (None, "backbone")
    assert "the best, x, has a predicted gain of -3.0 points" in found.reason
    assert "under the floor of -2.0 points; the backbone alone is the start" in found.reason


def test_a_gain_just_at_the_floor_is_enough():
    assert decide(candidate("x", 1.0, 1.0, gain=-0.02)).chosen == "x"


def test_nothing_to_learn_from_is_no_source():
    found = decide(candidate("backbone alone", kind="backbone"))
    assert (found.chosen, found.chosen_kind) == (None, "backbone")
    assert found.reason == "there is no source to learn from: the backbone alone is the start"


def test_ties_go_by_name_whatever_the_order():
    tied = [candidate("c", 1.0, 1.0), candidate("a", 1.0, 1.0), candidate("b", 1.0, 1.0)]
    assert [c.source for c in combine(tied, METRICS)] == ["a", "b", "c"] == [c.source for c in combine(tied[::-1], METRICS)]
    assert decide(*tied).chosen == decide(*tied[::-1]).chosen == "a"


def test_an_excluded_source_is_listed_last_with_its_reason_and_never_chosen():
    backbone = candidate("backbone alone", kind="backbone")
    found = decide(candidate("a", excluded="too few rows"), backbone, candidate("x", 1.0, 1.0))
    assert found.chosen == "x"
    assert [(c.source, c.excluded) for c in found.candidates] == [("x", None), ("backbone alone", None), ("a", "too few rows")]


def test_inputs_are_left_as_they_were():
    given = [candidate("x", 1.0, 1.0), candidate("y", 2.0, 2.0)]
    combine(given, METRICS)
    assert [c.combined for c in given] == [None, None]
