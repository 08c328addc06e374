"""The report and the card of a run that held nothing out: its rows are no test rows, and they hang together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rootstock.report.model_card import model_card
from rootstock.report.paired import paired_difference
from rootstock.report.run_records import RunRecords
from rootstock.report.transfer import settled
from rootstock.report.write import write_report


@pytest.fixture
def out_of_fold(build_run) -> RunRecords:
    run = build_run()
    target = run.prepared.target
    kept = {"train": target.splits["train"]}
    return build_run(
        evaluation=run.evaluation.model_copy(update={"rows": "out_of_fold", "variance_inflation": 2.25}),
        prepared=run.prepared.model_copy(update={"target": target.model_copy(update={"splits": kept})}),
    )


def text_of(run: RunRecords, parse, folder: Path) -> str:
    write_report(run, task="docs", folder=folder)
    return parse(folder / "report.html").text


def test_its_rows_are_called_labelled_rows_everywhere(out_of_fold, parse, tmp_path: Path) -> None:
    text = text_of(out_of_fold, parse, tmp_path)
    assert "450 labelled rows, each predicted out of fold" in text
    assert not re.search(r"test rows?\b(?!-)", text, re.IGNORECASE)  # the rows of the fixture are called row-0, row-1


def test_rows_held_out_are_called_test_rows(build_run, parse, tmp_path: Path) -> None:
    text = text_of(build_run(), parse, tmp_path)
    assert "450 test rows" in text
    assert "out of fold" not in text


def test_the_card_calls_them_labelled_rows_too(out_of_fold) -> None:
    card = model_card(out_of_fold, task="docs")
    assert "test row" not in card.lower()
    assert "inputs like the labelled rows" in card


def test_before_anything_was_measured_the_data_tell_what_the_rows_are(out_of_fold, build_run) -> None:
    assert build_run(evaluation=None).tested_row == "test row"
    assert build_run(evaluation=None, prepared=out_of_fold.prepared).tested_row == "labelled row"
    assert build_run(evaluation=None, prepared=None).tested_row == "test row"


def test_an_interval_is_as_wide_as_the_gates_that_count_such_rows_for_fewer() -> None:
    first, second = [True] * 30 + [False] * 12 + [True] * 158, [False] * 30 + [True] * 12 + [True] * 158
    narrow = paired_difference(first, second, confidence=0.9)
    wide = paired_difference(first, second, confidence=0.9, inflation=2.25)
    assert wide.low < narrow.low < wide.value == narrow.value < narrow.high < wide.high
    assert (narrow.settled, wide.settled) == (True, True)
    assert settled(narrow, alpha=0.01) == "pass"
    assert settled(wide, alpha=0.01) == "inconclusive"
