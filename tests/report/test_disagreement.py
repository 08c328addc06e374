"""The rows on which the new model and the champion disagree most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rootstock.records import EvalReport
from rootstock.report.disagreement import answered_differently, disagreements, total_variation
from rootstock.report.predictions import Predictions, read_predictions
from rootstock.report.write import write_report


def predictions_of(*rows: tuple[str, list[float], list[float] | None]) -> Predictions:
    """Rows of (label, probabilities of a and b by the model, of b and c by the champion)."""

    def best(said: list[float] | None, labels: str) -> str | None:
        return None if said is None else labels[said.index(max(said))]

    return Predictions(
        tuple(f"r{i}" for i in range(len(rows))),
        tuple(row[0] for row in rows),
        {"model": tuple(best(row[1], "ab") for row in rows), "champion": tuple(best(row[2], "bc") for row in rows)},
        {"model": tuple(max(row[1]) for row in rows), "champion": tuple(max(row[2] or [float("nan")]) for row in rows)},
        {
            "model": tuple(tuple(row[1]) for row in rows),
            "champion": tuple(None if row[2] is None else tuple(row[2]) for row in rows),
        },
    )


@pytest.fixture
def report(build_run) -> EvalReport:
    return build_run().evaluation.model_copy(update={"labels": ("a", "b"), "champion_labels": ("b", "c")})


@pytest.mark.parametrize(
    ("first", "second", "distance"),
    [
        ({"a": 0.7, "b": 0.3}, {"b": 0.3, "a": 0.7}, 0.0),
        ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}, 1.0),
        ({"a": 0.5, "b": 0.5}, {"b": 0.5, "c": 0.5}, 0.5),
        ({"a": 1.0}, {"b": 1.0}, 1.0),
    ],
)
def test_total_variation_is_over_the_classes_of_either_in_any_order(first, second, distance):
    found = total_variation(list(first.values()), list(first), list(second.values()), list(second))
    assert found == pytest.approx(distance)
    assert total_variation(list(second.values()), list(second), list(first.values()), list(first)) == pytest.approx(distance)


def test_the_rows_come_by_how_far_apart_the_two_are_and_equal_answers_never(report):
    predictions = predictions_of(
        ("b", [0.4, 0.6], [0.9, 0.1]), ("a", [0.6, 0.4], [0.6, 0.4]), ("c", [0.9, 0.1], [0.1, 0.9]), ("b", [0.2, 0.8], None)
    )
    rows = disagreements(predictions, report, None, most=5)
    assert [(row.id, row.outcome) for row in rows] == [("r2", "broken"), ("r1", "mended")]
    assert [row.distance for row in rows] == pytest.approx([0.9, 0.6])
    assert (rows[0].model.label, rows[0].model.probability) == ("a", 0.9)
    assert [row.id for row in disagreements(predictions, report, None, most=1)] == ["r2"]


def test_rows_that_both_have_wrong_with_different_answers_are_told_apart():
    predictions = predictions_of(("b", [0.9, 0.1], [0.1, 0.9]), ("a", [0.9, 0.1], [0.1, 0.9]), ("b", [0.1, 0.9], [0.9, 0.1]))
    assert answered_differently(predictions) == {"both wrong": 1, "mended": 1}


def test_without_a_champion_there_is_nothing_to_disagree_with(report):
    predictions = predictions_of(("b", [0.4, 0.6], [0.1, 0.9]))
    assert len(disagreements(predictions, report, None, most=5)) == 1
    assert disagreements(predictions, report.model_copy(update={"champion_labels": ()}), None, most=5) == ()


def test_the_report_shows_the_text_the_truth_and_both_answers(build_run, parse, tmp_path: Path):
    run = build_run(inputs=lambda row: f"text number {row}.")
    predictions = read_predictions(run.evaluation)
    (worst, *_) = disagreements(predictions, run.evaluation, run.prepared.target.splits["test"], most=3)
    write_report(run, task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    section = text.rpartition("Where it disagrees with the champion")[2].partition("Where it errs")[0]
    for said in (worst.text, worst.id, *(label.split()[0] for label in (worst.label, worst.model.label, worst.champion.label))):
        assert said in section
    assert "How the champion was asked: Version 6; it does not know <u>tensors</u>." in section


def test_a_report_of_a_run_without_kept_probabilities_says_so(build_run, parse, tmp_path: Path):
    run = build_run()
    path = Path(run.evaluation.predictions.path)
    pd.read_parquet(path).drop(columns=["probabilities:model", "probabilities:champion"]).to_parquet(path)
    write_report(run, task="docs", folder=tmp_path)
    assert "Their probabilities were not kept;" in parse(tmp_path / "report.html").text


def test_the_gates_section_states_level_and_spent_looks(build_run, parse, tmp_path: Path):
    run = build_run()
    write_report(run, task="docs", folder=tmp_path)
    text = " ".join(parse(tmp_path / "report.html").text.split())
    assert "Level of the comparison with the champion: 0.001, the year's error rate of 0.05, shared by 50 looks; 7 of them" in text
    spent = run.verdict.looks.model_copy(update={"spent": 50, "level": 0.0, "frees": "2027-03-01"})
    write_report(replace(run, verdict=run.verdict.model_copy(update={"looks": spent})), task="docs", folder=tmp_path)
    assert "the 50 looks of this year are spent: nothing can be shown before 2027-03-01." in " ".join(
        parse(tmp_path / "report.html").text.split()
    )


def test_a_run_without_gates_says_that_none_was_asked(build_run, parse, tmp_path: Path):
    run = build_run()
    free = run.verdict.model_copy(update={"looks": None, "results": (), "reason": "the params ask for no gates (gates: none)"})
    write_report(replace(run, verdict=free, params={**run.params, "gates": None}), task="docs", folder=tmp_path)
    assert "No gate was asked." in parse(tmp_path / "report.html").text


def test_the_trigger_stands_in_the_report_as_plain_text(build_run, parse, tmp_path: Path):
    write_report(build_run(), task="docs", folder=tmp_path)
    assert "trigger: drift: found in <b>characters</b>" in parse(tmp_path / "report.html").text
