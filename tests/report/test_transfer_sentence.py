"""The one sentence about what was learned from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rootstock.records import Candidate, Measure, Selection, SourceRanking
from rootstock.report.paired import Difference
from rootstock.report.transfer import picked, realised_gain, run_sentence, settled, transfer_sentence, weighed

HELPED = Difference(0.051, 0.014, 0.088, 47, 24, 450)
OPEN = Difference(0.009, -0.028, 0.046, 22, 18, 450)
HARMED = Difference(-0.042, -0.071, -0.011, 12, 31, 450)


def measure(value: float, low: float, high: float) -> Measure:
    return Measure(value=value, low=low, high=high, n=1452, unit="accuracy", higher_is_better=True)


def candidate(
    name: str, kind: str = "domain", gain: Measure | None = None, risk: float | None = None, **changes: object
) -> Candidate:
    fields: dict[str, object] = {
        "name": name, "source": name, "backbone": "minilm", "kind": kind, "scores": {}, "evidence": {}, "predicted_gain": gain,
        "risk": risk, "prior": None, "matched_labels": {}, "rows": 96, "notes": (), "excluded": None,
    }  # fmt: skip
    return Candidate(**{**fields, **changes})  # type: ignore[arg-type]


def ranking(*candidates: Candidate, chosen: str | None = None, kind: str = "backbone") -> SourceRanking:
    return SourceRanking(
        candidates=candidates, chosen=chosen, chosen_name=chosen, chosen_kind=kind, backbone="minilm", reason="", rows=96,
        past_outcomes=1452, own_outcomes=0, projection={}, seconds=1.0,
    )  # type: ignore[arg-type]  # fmt: skip


def selection(chosen: str | None, kind: str = "domain") -> Selection:
    return Selection(
        chosen=chosen, chosen_name=chosen, chosen_kind=kind, backbone="minilm", matched_labels={}, rounds=(), reason="",
        rows_trained=0, seconds=1.0,
    )  # type: ignore[arg-type]  # fmt: skip


SCIPY = candidate("scipy-docs", gain=measure(0.06, 0.02, 0.10), risk=0.02)
NUMPY = candidate("numpy-docs", gain=measure(0.022, -0.012, 0.056), risk=0.14)
ALONE = candidate("backbone alone", "backbone")


@pytest.fixture
def say() -> Callable[..., str]:
    def said(*given: object, **named: object) -> str:
        return transfer_sentence(*given, confidence=0.9, **named).replace("\N{NARROW NO-BREAK SPACE}", "")  # type: ignore[arg-type]

    return said


def test_a_chosen_source_is_named_with_gain_interval_risk_and_what_was_measured(say) -> None:
    assert say(ranking(SCIPY, ALONE, chosen="scipy-docs", kind="domain"), realised=HELPED) == (
        "Learning from scipy-docs is expected to add 6 points of accuracy (90% interval 2 to 10) over no transfer, "
        "with a 2% risk of making it worse; measured afterwards: +5.1."
    )


def test_before_anything_is_measured_it_ends_with_the_risk(say) -> None:
    assert say(ranking(SCIPY, chosen="scipy-docs", kind="domain")).endswith("with a 2% risk of making it worse.")


def test_a_measured_gain_that_the_rows_do_not_settle_is_called_so(say) -> None:
    said = say(ranking(SCIPY, chosen="scipy-docs", kind="domain"), realised=OPEN)
    assert said.endswith("measured afterwards: +0.9 (\N{MINUS SIGN}2.8 to +4.6), not settled by 450 test rows.")


def test_negative_transfer_is_said_plainly(say) -> None:
    said = say(ranking(SCIPY, chosen="scipy-docs", kind="domain"), realised=HARMED)
    assert said.endswith("measured afterwards: \N{MINUS SIGN}4.2, so it made the model worse.")


def test_a_predicted_interval_around_nought_excludes_nothing_and_says_so(say) -> None:
    said = say(ranking(NUMPY, chosen="numpy-docs", kind="domain"))
    assert "(90% interval \N{MINUS SIGN}1.2 to 5.6) over no transfer, neither gain nor loss excluded, with a 14% risk" in said


def test_a_predicted_loss_is_called_a_cost(say) -> None:
    worse = candidate("films", gain=measure(-0.03, -0.05, -0.01), risk=0.997)
    said = say(ranking(worse, chosen="films", kind="domain"))
    assert "expected to cost 3 points of accuracy (90% interval \N{MINUS SIGN}5.0 to \N{MINUS SIGN}1.0)" in said
    assert "with a risk of over 99% of making it worse" in said


def test_the_champion_is_called_the_best_start(say) -> None:
    champion = candidate("champion", "champion", measure(0.041, 0.007, 0.075), 0.03)
    said = say(ranking(champion, chosen="champion", kind="champion"))
    assert said.startswith("The champion is still the best start: going on from it is expected to add 4.1 points")


@pytest.mark.parametrize(
    ("kind", "start"),
    [("version", "Going on from it-5 is"), ("scratch", "Training from scratch is"), ("domain", "Learning from it-5 is")],
)
def test_every_kind_of_candidate_has_its_words(say, kind: str, start: str) -> None:
    assert say(ranking(candidate("it-5", kind, measure(0.02, 0.01, 0.03)), chosen="it-5", kind=kind)).startswith(start)


def test_another_backbone_without_a_source_is_no_abstention(say) -> None:
    other = candidate(
        "backbone alone (large)", "backbone", measure(0.03, 0.01, 0.05), 0.01, source="backbone alone", backbone="large"
    )
    given = ranking(other, ALONE).model_copy(update={"chosen_name": other.name, "backbone": "large"})
    assert say(given).startswith("Starting from the backbone large without a source is expected to add 3 points")


def test_an_abstention_names_the_best_of_those_refused(say) -> None:
    worse = candidate("films", gain=measure(-0.03, -0.05, -0.01), risk=0.97)
    assert say(ranking(ALONE, worse, NUMPY)) == (
        "None of the 2 sources is good enough: the best, numpy-docs, is expected to add 2.2 points of accuracy (90% interval "
        "\N{MINUS SIGN}1.2 to 5.6) over no transfer, neither gain nor loss excluded, with a 14% risk of making it worse, "
        "so the model is trained on the target alone."
    )


def test_sources_together_are_no_source_more(say) -> None:
    pair = candidate("numpy-docs + films", gain=measure(-0.01, -0.05, 0.03), risk=0.6)
    worse = candidate("films", gain=measure(-0.03, -0.05, -0.01), risk=0.97)
    assert say(ranking(ALONE, worse, pair, NUMPY)).startswith("None of the 2 sources is good enough: the best, numpy-docs")


@pytest.mark.parametrize(
    ("candidates", "start"),
    [
        ((), "There was nothing to learn from"),
        ((ALONE,), "There was nothing to learn from"),
        ((candidate("a", excluded="empty"),), "The only candidate was excluded"),
        ((candidate("a", excluded="empty"), candidate("b", excluded="empty")), "All 2 candidates were excluded"),
        ((candidate("a"), ALONE), "No gain could be predicted for a,"),
        ((candidate("a"), candidate("b")), "No gain could be predicted for any of the 2 sources"),
        ((NUMPY, ALONE), "Nothing is good enough to learn from: numpy-docs is expected"),
    ],
)
def test_an_abstention_says_why(say, candidates: tuple[Candidate, ...], start: str) -> None:
    said = say(ranking(*candidates), realised=HELPED)
    assert said.startswith(start)
    assert said.endswith("the model is trained on the target alone.")


def test_short_trials_that_refuse_the_ranking_are_an_abstention(say) -> None:
    said = say(ranking(SCIPY, ALONE, chosen="scipy-docs", kind="domain"), selection(None, "backbone"))
    assert said.startswith("Learning from scipy-docs was expected to add 6 points")
    assert said.endswith("but short trials did not bear it out: the model is trained on the target alone.")


def test_short_trials_that_turn_the_ranking_over_name_the_new_leader(say) -> None:
    said = say(ranking(SCIPY, NUMPY, chosen="scipy-docs", kind="domain"), selection("numpy-docs"))
    assert said.startswith("Learning from numpy-docs, ahead in short trials, is expected to add 2.2 points")


def test_a_source_left_out_of_the_final_model_claims_no_measured_gain(say) -> None:
    said = say(ranking(SCIPY, chosen="scipy-docs", kind="domain"), realised=HELPED, dropped=True)
    assert said.endswith("in the end the model was trained without it.")
    assert "measured" not in said


def test_it_is_always_one_sentence_on_one_line(say) -> None:
    hostile = candidate("a\nb\u202e. Second", gain=measure(0.02, 0.01, 0.03))
    assert "\u202e" not in say(ranking(hostile, chosen=hostile.name, kind="domain"))
    assert "\n" not in say(ranking(hostile, chosen=hostile.name, kind="domain"))


@pytest.mark.parametrize(("difference", "found"), [(HELPED, "pass"), (OPEN, "inconclusive"), (HARMED, "fail")])
def test_a_gain_is_settled_as_the_gate_settles_it(difference: Difference, found: str) -> None:
    from scipy.stats import binomtest

    assert settled(difference, alpha=0.05) == found
    p = binomtest(difference.wins, difference.wins + difference.losses, alternative="greater").pvalue
    assert bool(p <= 0.05) is (found == "pass")


def test_candidates_weighed_and_excluded_are_counted() -> None:
    assert weighed(ranking(SCIPY)) == "1 candidate weighed on 96 labelled rows, none excluded."
    assert weighed(ranking(SCIPY, candidate("a", excluded="empty"))) == "2 candidates weighed on 96 labelled rows, 1 excluded."


def test_the_pick_without_a_source_is_the_backbone_alone_of_the_first_backbone() -> None:
    other = candidate("backbone alone (large)", "backbone", backbone="large")
    assert picked(ranking(SCIPY, other, ALONE)).name == "backbone alone"


def test_the_realised_gain_is_counted_on_the_test_rows(build_run) -> None:
    gain = realised_gain(build_run().evaluation, confidence=0.95)
    assert gain.n == 450
    assert gain.value == pytest.approx((gain.wins - gain.losses) / 450)


def test_the_sentence_of_a_run_grows_with_its_records(build_run) -> None:
    assert run_sentence(build_run(ranking=None)) == ""
    assert "measured" not in run_sentence(build_run(evaluation=None))
    assert "measured afterwards: +" in run_sentence(build_run())


def test_a_gain_is_settled_at_the_alpha_of_the_gate_where_the_params_hold_it(build_run) -> None:
    run = build_run()
    assert run.claim_alpha == 0.05
    panel = [{"name": "floor", "at_least": 0.3}, {"name": "positive_transfer", "alpha": 0.01, "margin": 0.05}]
    assert build_run(params={**run.params, "gates": {"panel": panel}}).claim_alpha == 0.01
