"""What the report reads from the test rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rootstock.report.predictions import Predictions, calibration, mistakes, read_predictions
from rootstock.report.write import write_report


def answered(*rows: tuple[str, str, float]) -> Predictions:
    """Rows of (label, predicted, probability)."""
    labels, predicted, stated = zip(*rows, strict=True)
    return Predictions(tuple(f"r{i}" for i in range(len(rows))), labels, {"model": predicted}, {"model": stated}, {})


def test_every_row_falls_into_one_bin_edges_to_the_lower_one() -> None:
    rows = answered(("a", "a", 0.0), ("a", "a", 0.1), ("a", "b", 0.3), ("a", "a", 0.31), ("a", "a", 1.0))
    bins = calibration(rows, bins=10, confidence=0.95, inflation=1.0)
    assert [(round(each.low, 1), each.rows) for each in bins] == [(0.0, 2), (0.2, 1), (0.3, 1), (0.9, 1)]


def test_a_bin_holds_its_mean_probability_and_share_right() -> None:
    (held,) = calibration(answered(("a", "a", 0.92), ("a", "b", 0.98)), bins=10, confidence=0.95, inflation=1.0)
    assert (held.confidence, held.accuracy) == pytest.approx((0.95, 0.5))


def test_a_probability_that_is_not_a_number_is_left_out() -> None:
    assert calibration(answered(("a", "a", float("nan"))), bins=10, confidence=0.95, inflation=1.0) == ()


def test_bins_of_dependent_rows_are_as_wide_as_those_of_fewer_independent_ones() -> None:
    four = [("a", "a", 0.95)] * 3 + [("a", "b", 0.95)]
    (narrow,), (wide,) = (calibration(answered(*(four * 8)), bins=10, confidence=0.95, inflation=each) for each in (1.0, 4.0))
    (fewer,) = calibration(answered(*(four * 2)), bins=10, confidence=0.95, inflation=1.0)
    assert wide.interval == pytest.approx(fewer.interval)
    assert wide.interval[0] < narrow.interval[0] < narrow.interval[1] < wide.interval[1]
    assert (wide.rows, wide.accuracy) == (narrow.rows, narrow.accuracy)


def test_mistakes_come_surest_first_and_right_rows_never() -> None:
    rows = answered(("a", "a", 0.99), ("a", "b", 0.6), ("a", "b", 0.9), ("b", "a", 0.7))
    assert [row.id for row in mistakes(rows, None, most=2)] == ["r2", "r3"]


def test_equally_sure_mistakes_come_in_the_order_of_their_ids() -> None:
    rows = answered(*[("a", "b", 0.5)] * 3)
    assert [row.id for row in mistakes(rows, None, most=3)] == ["r0", "r1", "r2"]


def test_inputs_come_from_the_test_split(build_run) -> None:
    run = build_run(inputs=lambda row: f"text of {row}")
    for row in mistakes(read_predictions(run.evaluation), run.prepared.target.splits["test"], most=5):
        assert row.text == f"text of {int(row.id.removeprefix('torch-'))}"


def test_rows_that_the_champion_was_not_asked_are_left_out_of_the_comparison(build_run, parse, tmp_path: Path) -> None:
    import pandas as pd

    run = build_run()
    path = Path(run.evaluation.predictions.path)
    frame = pd.read_parquet(path)
    frame.loc[frame.index[100:], "predicted:champion"] = None
    frame.to_parquet(path)
    assert len(read_predictions(run.evaluation).asked("champion")) == 100
    write_report(run, task="docs", folder=tmp_path)
    assert "paired with version 6 on 100 rows" in parse(tmp_path / "report.html").text


def test_a_champion_that_answered_no_row_is_not_called_equal(build_run, parse, tmp_path: Path) -> None:
    import pandas as pd

    run = build_run()
    path = Path(run.evaluation.predictions.path)
    pd.read_parquet(path).drop(columns=["predicted:champion", "probability:champion"]).to_parquet(path)
    silent = run.evaluation.champion.model_copy(update={"measures": {}, "note": "its labels are others"})
    report = run.evaluation.model_copy(update={"champion": silent})
    write_report(replace(run, evaluation=report), task="docs", folder=tmp_path)
    text = parse(tmp_path / "report.html").text
    assert "no rows in common with version 6" in text
    assert "Its labels are others." in text
