"""Rows that the champion wants labelled: from the prediction log to the next version of the target."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

pytestmark = [pytest.mark.flow, pytest.mark.slow]


def sheet(task, name: str) -> pd.DataFrame:
    return pd.read_csv(task.folder / name, dtype=str)


def target(task) -> tuple[pd.DataFrame, list[str]]:
    """Newest rows of the target, and the split of each."""
    from rootstock.data.prepare import split_target
    from rootstock.data.registry import resolve
    from rootstock.params import load_params

    params = load_params(task.folder / "params.yaml")
    registry = Path(task.folder / params.data.registry)
    revision = resolve(registry, params.data.target, "latest")
    return split_target(registry, revision, data=params.data, seed=params.seed)


def test_the_sheet_holds_rows_of_the_batch_to_fill_in(labelled, task):
    rows, batch = sheet(task, "sheet.csv"), pd.read_csv(task.folder / "shifted.csv")
    assert labelled["asked"]["pool"] == 60
    assert sorted(rows["split"]) == ["chosen"] * 12 + ["sample"] * 6
    assert set(rows["input"]) <= set(batch["text"])


def test_the_model_expects_more_errors_among_the_rows_it_chose(labelled):
    assert labelled["asked"]["expected_errors"] > labelled["asked"]["expected_errors_by_chance"]


def test_what_people_labelled_is_the_next_version_and_chosen_rows_are_never_tested_on(labelled, task):
    added, rows = labelled["added"], sheet(task, "sheet.csv")
    assert added["revision"] == "harbour/v3"
    assert (added["added"], added["labelled"], added["blank"]) == (17, 0, 1)
    frame, splits = target(task)
    split_of = dict(zip(frame["input"], splits, strict=True))
    wanted = rows[rows["label"].notna()]
    assert {split_of[text] for text in wanted.loc[wanted["split"] == "chosen", "input"]} == {"train"}


def test_rows_that_have_a_label_are_not_asked_for_again(labelled, task):
    first, second = sheet(task, "sheet.csv"), sheet(task, "more-sheet.csv")
    assert labelled["more"]["pool"] == 120 - 17  # both batches of the log, less what was labelled
    assert not set(second["input"]) & set(first.loc[first["label"].notna(), "input"])
