"""Scores made comparable between tasks."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from rootstock.part import NATS
from rootstock.similarity.evidence import CENTRED, evidence_of

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


def test_the_distance_from_the_mean_of_the_sources_stands_beside():
    assert found()["near"]["cosine" + CENTRED] == pytest.approx(0.3)
    assert found()["near"]["loglik" + CENTRED] == pytest.approx(0.4 / np.log(4))
    # The champion is no source: it does not move the mean, but is measured from it.
    assert found()["champion"]["loglik" + CENTRED] == pytest.approx((0.9 - 0.2) / np.log(4))


def test_chance_counts_the_same_whatever_the_number_of_classes():
    def chance(classes):
        scores = {"alone": {"loglik": 0.0}, "x": {"loglik": -np.log(classes)}}
        return evidence_of(scores, LOGLIK, alone="alone", domains=["x"], classes=classes)["x"]["loglik"]

    assert chance(2) == pytest.approx(chance(77)) == pytest.approx(-1.0)


def test_a_ranking_without_sources_has_evidence_of_its_champion():
    one = evidence_of({"alone": {"loglik": -1.0}, "champion": {"loglik": -0.5}}, LOGLIK, alone="alone", domains=[], classes=2)
    assert one["champion"]["loglik" + CENTRED] == one["champion"]["loglik"]


def test_the_scores_are_not_changed():
    before = copy.deepcopy(SCORES)
    found()
    assert before == SCORES
