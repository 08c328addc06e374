"""Scores made comparable between tasks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from rootstock.part import ACCURACY, NATS
from rootstock.similarity.evidence import LEVEL, STANDING, evidence_of, nearness_of

COSINE, LOGLIK = {"cosine": "cosine"}, {"loglik": NATS}
SCORES = {
    "alone": {"cosine": None, "loglik": -1.0},
    "near": {"cosine": 0.8, "loglik": -0.4},
    "far": {"cosine": 0.2, "loglik": -1.2},
    "champion": {"cosine": None, "loglik": -0.1},
}


def found(classes=4):
    return evidence_of(SCORES, COSINE | LOGLIK, alone="alone", domains=["near", "far"], classes=classes)


def test_a_log_likelihood_counts_above_the_backbone_alone_in_units_of_log_c():
    assert found()["near"]["loglik"] == pytest.approx(0.6 / np.log(4))
    assert found()["far"]["loglik"] == pytest.approx(-0.2 / np.log(4))


def test_a_score_that_the_backbone_alone_lacks_stands_as_it_is():
    assert found()["near"]["cosine"] == 0.8
    assert found()["champion"]["cosine"] is None


def test_standing_is_in_deviations_from_the_mean_of_the_sources_and_two_count_two_thirds():
    assert found()["near"]["cosine" + STANDING] == pytest.approx(2 / 3)
    assert found()["far"]["loglik" + STANDING] == pytest.approx(-2 / 3)
    # The champion is no source: it does not move the mean, but is measured from it: 1.1 above a mean of 0.2, in deviations of 0.4.
    assert found()["champion"]["loglik" + STANDING] == pytest.approx((0.9 - 0.2) / 0.4 * 2 / 3)


def test_a_candidate_that_lacks_a_score_of_the_others_stands_one_deviation_below():
    assert found()["champion"]["cosine" + STANDING] == pytest.approx(-2 / 3)


def test_one_source_has_no_standing():
    scores = {"alone": {"cosine": None}, "x": {"cosine": 0.4}}
    assert evidence_of(scores, COSINE, alone="alone", domains=["x"], classes=2)["x"]["cosine" + STANDING] == 0.0


@pytest.mark.parametrize(("score", "standing"), [(0.9, 0.5), (0.1, -0.5), (0.4, 0.0), (None, 0.0)])
def test_beside_one_source_another_candidate_stands_one_deviation_to_its_side(score, standing):
    scores = {"alone": {"cosine": None}, "x": {"cosine": 0.4}, "champion": {"cosine": score}}
    made = evidence_of(scores, COSINE, alone="alone", domains=["x"], classes=2)
    assert (made["champion"]["cosine" + STANDING], made["x"]["cosine" + STANDING]) == (standing, 0.0)


def test_sources_that_score_the_same_tie_whatever_the_rounding():
    scores = {"alone": {"cosine": None}} | {f"s{i}": {"cosine": 0.4 + (1.5e-9 if i == 0 else 0.0)} for i in range(9)}
    made = evidence_of(scores, COSINE, alone="alone", domains=list(scores)[1:], classes=2)
    assert {made[name]["cosine" + STANDING] for name in list(scores)[1:]} == {0.0}


@pytest.mark.parametrize(("factor", "offset"), [(3.0, 0.0), (1.0, 5.0), (1e-6, 1e-3)])
def test_standing_does_not_change_with_the_scale_of_a_score(factor, offset):
    scaled = {name: {"cosine": None if s["cosine"] is None else factor * s["cosine"] + offset} for name, s in SCORES.items()}
    moved = evidence_of(scaled, COSINE, alone="alone", domains=["near", "far"], classes=4)
    assert moved["near"]["cosine" + STANDING] == pytest.approx(found()["near"]["cosine" + STANDING])


def test_scores_in_units_of_accuracy_have_a_level_over_the_sources_and_others_none():
    scores = {"alone": {"probe": 0.6}, "near": {"probe": 0.8}, "far": {"probe": 0.5}}
    made = evidence_of(scores, {"probe": ACCURACY}, alone="alone", domains=["near", "far"], classes=2)
    assert made["near"]["probe" + LEVEL] == made["far"]["probe" + LEVEL] == pytest.approx(0.05)
    assert not any(name.endswith(LEVEL) for name in found()["near"])


def test_chance_counts_the_same_whatever_the_number_of_classes():
    def chance(classes):
        scores = {"alone": {"loglik": 0.0}, "x": {"loglik": -np.log(classes)}}
        return evidence_of(scores, LOGLIK, alone="alone", domains=["x"], classes=classes)["x"]["loglik"]

    assert chance(2) == pytest.approx(chance(77)) == pytest.approx(-1.0)


def test_a_ranking_without_sources_is_measured_from_the_backbone_alone_and_has_no_level():
    scores = {"alone": {"probe": 0.6, "cosine": None}, "champion": {"probe": 0.7, "cosine": 0.9}, "other": {"probe": 0.5}}
    made = evidence_of(scores, {"probe": ACCURACY} | COSINE, alone="alone", domains=[], classes=2)
    assert [made[name]["probe" + STANDING] for name in scores] == [0.0, 0.5, -0.5]
    assert made["champion"]["cosine" + STANDING] is None
    assert made["champion"]["probe" + LEVEL] is None


def test_the_scores_are_not_changed():
    before = copy.deepcopy(SCORES)
    found()
    assert before == SCORES


def test_nearness_is_the_mean_of_where_scores_without_labels_put_a_source():
    scores = {"near": {"cosine": 0.8, "overlap": 0.1, "loglik": -9.0}, "far": {"cosine": 0.2, "overlap": 0.3, "loglik": -1.0}}
    found = nearness_of(scores, ["cosine", "overlap"], domains=["near", "far"])
    assert found == pytest.approx({"near": 0.0, "far": 0.0})
    assert nearness_of(scores, ["cosine"], domains=["near", "far"]) == pytest.approx({"near": 2 / 3, "far": -2 / 3})


def test_without_such_scores_all_sources_are_as_near():
    assert nearness_of(SCORES, ["overlap"], domains=["near", "far"]) == {"near": 0.0, "far": 0.0}


def test_a_source_that_lacks_a_score_of_the_others_is_farther():
    found = nearness_of(
        {"near": {"cosine": 0.8}, "far": {"cosine": 0.2}, "mute": {"cosine": None}}, ["cosine"], domains=["near", "far", "mute"]
    )
    assert found["mute"] < found["near"]
