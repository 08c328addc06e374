"""Whether other sources' heads confirm a candidate's."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.similarity.head_agreement import head_agreement, votes_of

VOTES = {"a": (0, 0, 1, 1), "b": (0, 0, 1, 0), "c": (1, 1, 0, 0), "silent": None, "champion": (0, 0, 1, 1)}


def test_the_shares_by_hand():
    found = head_agreement(VOTES, sources=["a", "b", "c", "silent"])
    assert found["a"] == pytest.approx((3 / 4 + 0) / 2)
    assert found["b"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert found["c"] == pytest.approx((0 + 1 / 4) / 2)


def test_agreement_is_cohens_observed_agreement_of_each_pair():
    """The same number from scikit-learn: accuracy of one head's votes held against another's."""
    from sklearn.metrics import accuracy_score

    random = np.random.default_rng(0)
    votes = {name: tuple(random.integers(3, size=50).tolist()) for name in "abc"}
    expected = np.mean([accuracy_score(votes["a"], votes[other]) for other in "bc"])
    assert head_agreement(votes, sources=list("abc"))["a"] == pytest.approx(expected)


def test_the_champion_is_held_against_the_sources_and_is_none_of_them():
    found = head_agreement(VOTES, sources=["a", "b", "c"])
    assert found["champion"] == pytest.approx((1 + 3 / 4 + 0) / 3)
    without = head_agreement({name: votes for name, votes in VOTES.items() if name != "champion"}, sources=["a", "b", "c"])
    assert without["a"] == found["a"]


def test_a_candidate_without_a_vote_or_without_company_has_no_score():
    assert head_agreement(VOTES, sources=["a", "b"])["silent"] is None
    assert head_agreement({"a": (0, 1)}, sources=["a"]) == {"a": None}


def test_the_order_of_rows_and_sources_does_not_matter():
    order = [2, 0, 3, 1]
    turned = {name: None if votes is None else tuple(votes[i] for i in order) for name, votes in reversed(VOTES.items())}
    assert head_agreement(turned, sources=["c", "b", "a"]) == pytest.approx(head_agreement(VOTES, sources=["a", "b", "c"]))


def test_a_head_votes_for_classes_of_the_target_alone():
    said = np.log([[0.1, 0.2, 0.7], [0.5, 0.1, 0.4]])
    # Of a and b, the first row is rather b's although the head holds "other" likeliest.
    assert votes_of(said, ("a", "b", "other"), ("b", "a")) == (0, 1)


@pytest.mark.parametrize("head_classes", [("x", "y"), ("a", "y")], ids=["none shared", "one shared"])
def test_a_head_that_knows_fewer_than_two_of_the_classes_does_not_vote(head_classes):
    assert votes_of(np.log([[0.9, 0.1]]), head_classes, ("a", "b")) is None


def test_three_right_heads_leave_the_wrong_one_alone():
    random = np.random.default_rng(1)
    truth = random.integers(2, size=200)
    votes = {f"good {i}": tuple(np.where(random.random(200) < 0.8, truth, 1 - truth).tolist()) for i in range(3)}
    votes["bad"] = tuple(random.integers(2, size=200).tolist())
    found = head_agreement(votes, sources=list(votes))
    assert min(found, key=found.get) == "bad"


def test_the_votes_are_not_changed():
    before = dict(VOTES)
    head_agreement(VOTES, sources=["a", "b", "c"])
    assert before == VOTES
