"""Slices of the rows: by kept columns, and by the length of a text."""

from __future__ import annotations

import pandas as pd
from rootstock.evaluation.row_slices import columns_of_slices, length_slices


def test_lengths_are_cut_at_the_rows_own_quartiles_and_named_with_their_ranges() -> None:
    found = length_slices(pd.Series(["x" * length for length in (1, 2, 3, 4, 5, 6, 7, 8)]))
    assert found is not None
    expected = ["short (1 to 2 characters)"] * 2 + ["medium (3 to 6 characters)"] * 4 + ["long (7 to 8 characters)"] * 2
    assert found.tolist() == expected


def test_texts_of_one_length_make_no_slices() -> None:
    assert length_slices(pd.Series(["abc", "xyz"])) is None


def test_kept_columns_come_with_nothing_where_a_row_has_no_value_and_the_rows_stay_as_they_are() -> None:
    rows = pd.DataFrame({"input": ["a", "bbb"], "keep:region": ["north", None]})
    before = rows.copy()
    found = columns_of_slices(rows, modality="text")
    assert found["slice:region"].tolist() == ["north", ""]
    assert list(found.columns) == ["slice:region", "slice:length"]
    pd.testing.assert_frame_equal(rows, before)


def test_a_kept_column_called_length_stands_for_the_texts_own() -> None:
    found = columns_of_slices(pd.DataFrame({"input": ["a", "bbb"], "keep:length": ["7", "8"]}), modality="text")
    assert found["slice:length"].tolist() == ["7", "8"]


def test_images_have_no_length() -> None:
    assert list(columns_of_slices(pd.DataFrame({"input": [b"a", b"bbb"]}), modality="image").columns) == []
