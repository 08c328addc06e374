"""The ranking as people read it."""

from __future__ import annotations

from rootstock.records import Candidate, Measure, SourceRanking
from rootstock_flows.ranking_table import aligned, ranking_rows, ranking_text, score_rows


def gain(value: float) -> Measure:
    return Measure(value=value, low=value - 0.05, high=value + 0.05, n=40, unit="share", higher_is_better=True)


def candidate(name: str, **changed: object) -> Candidate:
    fields = {
        "name": name, "source": name, "backbone": "mini", "kind": "domain", "evidence": {},
        "predicted_gain": gain(0.123), "risk": 0.04, "prior": gain(0.06), "matched_labels": {}, "rows": 32, "notes": (),
        "scores": {"logme": 1.2345, "leep": None}, "excluded": None,
    }  # fmt: skip
    return Candidate.model_validate(fields | changed)


def ranking(*candidates: Candidate, chosen: str | None = "films", reason: str = "it is best") -> SourceRanking:
    return SourceRanking(
        candidates=candidates, chosen=chosen, chosen_name=chosen, chosen_kind="domain" if chosen else "backbone", backbone="mini",
        reason=reason, rows=32, past_outcomes=40, own_outcomes=2, projection={}, seconds=1.0,
    )  # fmt: skip


ALONE = candidate("backbone alone", kind="backbone", predicted_gain=None, risk=None, prior=None)
BARRED = candidate("digits", scores={"logme": None, "leep": None}, excluded="it holds images", rows=0)


def test_a_row_has_gain_in_points_risk_and_prior():
    assert ranking_rows(ranking(candidate("films"), ALONE, BARRED)) == [
        {"candidate": "films", "gain": "+12.3 [+7.3, +17.3]", "risk": "4%", "so far": "+6.0 (n=40)"},
        {"candidate": "backbone alone", "gain": "-", "risk": "-", "so far": "-"},
    ]


def test_every_score_of_the_best_stands_in_a_row_of_its_metric():
    assert score_rows(ranking(candidate("films"), ALONE, BARRED)) == [
        {"score": "logme", "films": "1.23", "backbone alone": "1.23"},
        {"score": "leep", "films": "-", "backbone alone": "-"},
    ]


def test_two_hundred_candidates_do_not_make_two_hundred_columns():
    many = ranking(*(candidate(f"c{n}") for n in range(200)))
    assert len(score_rows(many)[0]) == 7
    assert "(the scores of 194 more stand in the report, and in the answer with --json)" in ranking_text(many)


def test_what_was_excluded_stands_below_with_its_reason_and_not_in_the_table():
    lines = ranking_text(ranking(candidate("films"), BARRED)).splitlines()
    assert "  digits: it holds images" in lines
    assert not any(line.startswith("digits") for line in lines)


def test_notes_are_shown():
    assert "  films: it knows nothing of boats" in ranking_text(ranking(candidate("films", notes=("it knows nothing of boats",))))


def test_numbers_stand_to_the_right_and_words_to_the_left():
    rows = [{"a": "x", "n": "10", "w": "one"}, {"a": "long", "n": "2", "w": ""}]
    assert aligned(rows) == ["a      n  w", "x     10  one", "long   2"]


def test_no_rows_give_no_lines():
    assert aligned([]) == []
