"""The suite: stable as a file, true to the rows, and loud about a missing column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from rootstock.errors import DataError
from rootstock.validation.great_expectations_suite import Schema, expectations, run_suites, suite_yaml
from validation_rows import frame, texts

SCHEMA = Schema(
    dataset="bugs",
    modality="text",
    labels=("wish", "bug"),
    splits=("train", "test"),
    fewest_rows=10,
    characters=(3, 100),
    characters_share=0.99,
)


def run(rows: pd.DataFrame, folder: Path, schema: Schema = SCHEMA) -> dict[str, tuple[bool, int, tuple[str, ...]]]:
    results, docs = run_suites([schema], {"bugs": rows}, suites=folder / "suites", data_docs=folder / "docs")
    assert Path(docs).is_file()
    return {result.check: (result.passed, result.failing, result.failing_rows) for result in results}


def test_the_suite_file_is_the_same_for_the_same_schema_in_any_order_of_labels() -> None:
    other = Schema(**{**SCHEMA.__dict__, "labels": ("bug", "wish"), "splits": ("test", "train")})
    assert suite_yaml(SCHEMA) == suite_yaml(other)
    assert yaml.safe_load(suite_yaml(SCHEMA))["expectations"] == expectations(SCHEMA)


def test_a_changed_limit_changes_one_line() -> None:
    other = Schema(**{**SCHEMA.__dict__, "fewest_rows": 11})
    lines = zip(suite_yaml(SCHEMA).split("\n"), suite_yaml(other).split("\n"), strict=True)
    assert sum(before != after for before, after in lines) == 1


def test_image_suites_have_no_length_limit() -> None:
    types = [e["type"] for e in expectations(Schema(**{**SCHEMA.__dict__, "modality": "image"}))]
    assert "expect_column_value_lengths_to_be_between" not in types


def test_each_fault_fails_its_own_expectation_and_names_its_rows(tmp_path: Path) -> None:
    rows = frame(texts(30), ["bug", "wish"] * 15)
    rows.loc[3, "id"] = "r2"
    rows.loc[4, "label"] = "praise"
    rows.loc[5, "input"] = None
    rows.loc[[6, 7], "input"] = "x"
    rows.loc[8, "split"] = "hidden"
    found = run(rows, tmp_path)
    failed = {check: rest for check, (passed, *rest) in found.items() if not passed}
    assert failed == {
        "expect_column_values_to_be_unique(id)": [2, ("r2", "r2")],
        "expect_column_values_to_be_in_set(label)": [1, ("r4",)],
        "expect_column_values_to_not_be_null(input)": [1, ("r5",)],
        "expect_column_value_lengths_to_be_between(input)": [2, ("r6", "r7")],
        "expect_column_values_to_be_in_set(split)": [1, ("r8",)],
    }


def test_only_rows_that_are_not_used_may_lack_a_label_and_one_that_they_have_must_be_known(tmp_path: Path) -> None:
    rows = frame(texts(30), ["bug", "wish"] * 15, split=["train"] * 20 + ["unused"] * 10)
    schema = Schema(**{**SCHEMA.__dict__, "splits": ("train", "unused")})
    rows.loc[[25, 26], "label"] = ""
    assert all(passed for passed, *_ in run(rows, tmp_path / "one", schema).values())
    rows.loc[[3, 27], "label"] = ["", "praise"]
    found = run(rows, tmp_path / "two", schema)
    assert found["expect_column_values_to_be_in_set(label)"] == (False, 2, ("r3", "r27"))


def test_images_and_few_rows(tmp_path: Path) -> None:
    rows = frame([b"\x89PNG" * 9] * 3, ["bug"] * 3)
    found = run(rows, tmp_path, Schema(**{**SCHEMA.__dict__, "modality": "image"}))
    assert [check for check, (passed, *_) in found.items() if not passed] == ["expect_table_row_count_to_be_between"]


def test_a_missing_column_is_wrong_input_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    rows = frame(texts(30), ["bug", "wish"] * 15).drop(columns="label")
    with pytest.raises(DataError, match=r"dataset bugs: .*expected the columns id, input, label, split, found id, input, split"):
        run(rows, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_left_unchanged(tmp_path: Path) -> None:
    rows = frame(texts(12), ["bug", "wish"] * 6)
    before = rows.copy(deep=True)
    run(rows, tmp_path)
    pd.testing.assert_frame_equal(rows, before)
