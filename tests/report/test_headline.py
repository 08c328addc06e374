"""What the first screen says."""

from __future__ import annotations

import pytest
from rootstock.records import Incumbent
from rootstock.report.headline import best_baseline, headline, key_numbers
from rootstock.report.paired import Difference

AHEAD = Difference(0.031, 0.004, 0.058, 30, 16, 450)
OPEN = Difference(0.009, -0.028, 0.046, 22, 18, 450)
GAINS = {"linear_probe": AHEAD, "no_transfer": AHEAD, "champion": OPEN}


def test_a_promotion_names_version_accuracy_and_the_lead_over_the_champion(build_run) -> None:
    said = headline(build_run(), {"champion": AHEAD})
    assert said.tone == "pass"
    assert "Version 7 was promoted" in said.sentence
    assert "3.1 points better than the champion" in said.sentence


@pytest.mark.parametrize(
    ("outcome", "tone", "decision"), [("fail", "fail", "Refused"), ("inconclusive", "inconclusive", "Undecided")]
)
def test_a_model_not_promoted_says_which_gate_and_who_stays(build_run, outcome: str, tone: str, decision: str) -> None:
    said = headline(build_run(outcome=outcome), GAINS)
    assert (said.tone, said.decision) == (tone, decision)
    assert "against champion" in said.sentence
    assert "version 6 stays champion" in said.sentence


def test_without_an_earlier_champion_it_says_that_there_is_none(build_run) -> None:
    nobody = Incumbent(version=None, model=None, run_key=None, earlier=())
    assert "still no champion" in headline(build_run(outcome="fail", incumbent=nobody), GAINS).sentence


def test_a_challenger_is_not_called_promoted(build_run) -> None:
    run = build_run(outcome="inconclusive")
    challenger = run.registration.model_copy(update={"version": "7", "alias": "challenger"})
    said = headline(build_run(outcome="inconclusive", registration=challenger), GAINS)
    assert said.decision == "Registered, not promoted"
    assert "registered as challenger" in said.sentence


def test_an_interval_around_nought_is_called_not_settled(build_run) -> None:
    cards = {card.title: card for card in key_numbers(build_run(), GAINS, confidence=0.95)}
    assert cards["Against the champion"].tone == "inconclusive"
    assert cards["Gain over the best baseline"].tone == "pass"


def test_predicted_stands_beside_the_gain_realised_over_no_transfer(build_run) -> None:
    cards = {card.title: card for card in key_numbers(build_run(), GAINS, confidence=0.95)}
    assert cards["Source"].details == ("predicted +5.2 (+1.8 to +8.6)", "realised +3.1 (+0.4 to +5.8)")


def test_the_source_is_the_one_that_the_short_trials_settled_and_its_risk_is_named(build_run) -> None:
    run = build_run()
    other = run.selection.model_copy(update={"chosen": "scipy-docs", "chosen_name": "scipy-docs"})
    card = next(card for card in key_numbers(build_run(selection=other), GAINS, confidence=0.95) if card.title == "Source")
    assert card.value == "scipy-docs"
    assert "risk of making it worse 14" in card.note


def test_the_best_baseline_is_the_most_accurate(build_run) -> None:
    assert best_baseline(build_run().evaluation).name == "linear_probe"


def test_a_ranking_alone_is_called_that(build_run, early) -> None:
    said = headline(build_run(**{name: None for name in early if name != "ranking"}), {})
    assert (said.decision, said.sentence) == ("Sources ranked", "No model was trained in this run.")


def test_a_source_that_failed_a_check_does_not_count_as_a_failed_check_of_the_target(build_run, early, failed_validation) -> None:
    said = headline(build_run(validation=failed_validation, **early), {})
    assert "failed 1 check (duplicates)" in said.sentence
