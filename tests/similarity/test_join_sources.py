"""Which sources are joined to one candidate, and what the advisor reads of them."""

from __future__ import annotations

import pytest
from rootstock.params import SimilarityParams
from rootstock.records import Candidate
from rootstock.similarity.evidence import JOINED_SOURCES
from rootstock.similarity.join_sources import join_sources, joined_evidence

SAME = {"good": "good", "bad": "bad"}


def candidate(name, *, source=None, kind="domain", backbone="b", matched=SAME, risk=0.1, excluded=None, score=0.0):
    return Candidate(
        name=name, source=source or name, backbone=backbone, kind=kind, scores={"knn": score}, evidence={"knn": 2 * score},
        predicted_gain=None, risk=risk, prior=None, matched_labels=matched, rows=32, notes=(), excluded=excluded,
    )  # fmt: skip


def join(*candidates, count=3, max_risk=0.5, share_of_rows=lambda one, other: 0.0):
    similarity = SimilarityParams.model_construct(joined_sources=count, max_risk=max_risk)
    return join_sources(candidates, similarity, share_of_rows=share_of_rows)


def test_the_best_are_joined_in_the_order_of_the_ranking():
    found = join(*(candidate(name) for name in ("films", "books", "music", "toys")))
    assert found.source == found.name == "films + books + music"


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_are_not_joined(count):
    assert join(candidate("films"), candidate("books"), count=count) is None


def test_one_source_alone_is_not_joined():
    assert join(candidate("films"), candidate("backbone alone", kind="backbone")) is None


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "champion"},
        {"excluded": "no licence"},
        {"risk": 0.6},
        {"risk": None},
        {"backbone": "another"},
        {"matched": {"good": "positive", "bad": "negative"}},
        {"matched": SAME | {"dull": "dull"}},
    ],
)
def test_what_cannot_be_learned_from_with_the_best_is_passed_over(other):
    found = join(candidate("films"), candidate("odd", **other), candidate("books"))
    assert found.source == "films + books"


def test_a_source_that_is_another_once_more_is_passed_over():
    found = join(
        *(candidate(name) for name in ("films", "films-copied", "books")),
        share_of_rows=lambda one, other: 0.9 if {one, other} == {"films", "films-copied"} else 0.1,
    )
    assert found.source == "films + books"


def test_sources_that_know_one_class_or_none_are_not_joined():
    assert join(candidate("films", matched={"good": "good"}), candidate("books", matched={"good": "good"})) is None


def test_the_name_tells_another_backbone_once():
    found = join(
        candidate("films on big", source="films", backbone="big"),
        candidate("films"),
        candidate("books on big", source="books", backbone="big"),
    )
    assert (found.source, found.name) == ("films + books", "films + books on big")


def test_scores_and_evidence_are_means_and_the_evidence_tells_how_many():
    found = join(candidate("films", score=1.0), candidate("books", score=0.0))
    assert (found.scores, found.evidence) == ({"knn": 0.5}, {"knn": 1.0, JOINED_SOURCES: 2.0})


def test_a_score_that_one_of_them_lacks_is_missing():
    assert joined_evidence([{"knn": 1.0}, {"knn": None}]) == {"knn": None, JOINED_SOURCES: 2.0}


def test_the_candidates_are_unchanged():
    three = [candidate(name) for name in ("films", "books", "music")]
    before = [each.model_dump_json() for each in three]
    join(*three)
    assert [each.model_dump_json() for each in three] == before
