"""The newest rows are held out where a column says when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from one_table import add, prepared
from pydantic import ValidationError
from rootstock.data.newest_split import hold_out_newest, read_times
from rootstock.data.read import read_dataset
from rootstock.data.rows import make_frame
from rootstock.data.split import assign_splits
from rootstock.errors import DataError


def diary(days: int = 100, seed: int = 0) -> pd.DataFrame:
    """A row a day, in no order, of two classes."""
    random = np.random.default_rng(seed)
    frame = make_frame([f"day {day}" for day in range(days)], [["dry", "wet"][random.integers(2)] for _ in range(days)])
    return frame.assign(time=np.arange(float(days))).sample(frac=1, random_state=seed)


def split(frame: pd.DataFrame, **changes) -> pd.Series:
    settings = {"seed": 0, "test_fraction": 0.3, "test_rows": None, "rows_per_class": None} | changes
    return pd.Series(assign_splits(frame, **settings), index=frame.index)


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["2024", "2023", "10"], [2, 1, 0]),
        (["2024-03-01", "2023-12-31", "2024-03-01T12:00:00"], [1, 0, 2]),
        (["2024-03-01T00:30:00+02:00", "2024-02-29T23:00:00Z"], [0, 1]),
        (["20240131", "20231231", ""], [1, 0, 2]),
    ],
    ids=["numbers", "dates", "time zones", "none is the newest"],
)
def test_times_stand_in_their_order(texts, order):
    assert np.argsort(read_times(texts), kind="stable").tolist() == order


def test_what_is_no_time_is_told_apart():
    assert np.isnan(read_times(["2024-01-31", "31/01/2024", "soon"])).tolist() == [False, True, True]


def test_the_cut_is_the_one_nearest_to_the_fraction_that_equal_times_allow():
    times = np.array([1.0] * 4 + [2.0] * 3 + [3.0] * 3)
    assert hold_out_newest(times, test_fraction=0.25).tolist() == [False] * 7 + [True] * 3
    assert hold_out_newest(times, test_fraction=0.5).tolist() == [False] * 4 + [True] * 6
    with pytest.raises(DataError, match="at least two times, found one in all 5; name another column, or null"):
        hold_out_newest(np.ones(5), test_fraction=0.5)


def test_every_test_row_is_newer_than_every_row_learned_from():
    frame = diary()
    splits = split(frame)
    assert (splits == "test").sum() == 30
    assert frame["time"][splits == "test"].min() > frame["time"][splits == "train"].max()
    before = frame.copy()
    pd.testing.assert_series_equal(split(frame.sort_values("time")).sort_index(), splits.sort_index())
    pd.testing.assert_frame_equal(frame, before)


def test_rows_that_come_later_are_tested_on_and_those_before_them_learned_from():
    frame = diary(140)
    old = frame[frame["time"] < 100]
    before, after = split(old), split(frame)
    was_tested = before.index[before == "test"]
    assert set(after[frame["time"] >= 100]) == {"test"}
    assert (after[was_tested] == "train").sum() > 25


def test_older_rows_with_a_tested_input_or_of_a_tested_group_are_left_unused():
    frame = diary().sort_values("time", ignore_index=True)
    frame.loc[3, "input"] = frame["input"].iloc[-1].upper()
    groups = [f"g{row}" for row in range(100)]
    groups[5] = groups[90]
    assert split(frame)[[3, 5]].tolist() == ["unused", "train"]
    assert split(frame.assign(group=groups))[[3, 5]].tolist() == ["unused", "unused"]


def test_a_declared_test_is_taken_whatever_its_time():
    frame = diary().assign(split=["test"] * 20 + ["train"] * 80)
    assert (split(frame) == "test").tolist() == [True] * 20 + [False] * 80


@pytest.fixture
def project(tmp_path, monkeypatch, data_params):
    """A table of dated rows; a function that gives the params which name the date."""
    monkeypatch.chdir(tmp_path)
    days = pd.date_range("2025-12-01", periods=60).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"text": [f"entry {n}" for n in range(60)], "label": ["dry", "wet"] * 30, "day": days})
    frame.sample(frac=1, random_state=1).to_csv("diary.csv", index=False)

    def make(**columns):
        settings = {"registry": "data", "target": "diary", "sources": [], "labelled_rows_per_class": None, "test_fraction": 0.5}
        return data_params(columns=columns, **settings)

    return make


def test_the_target_says_from_when_on_it_is_tested(project):
    add("diary.csv", project(time="day"))
    target = prepared(project(time="day"))
    assert target.tested_from == "2025-12-31"
    rows = pd.read_parquet(target.splits["test"].path)
    assert sorted(rows["input"], key=lambda text: int(text.split()[1])) == [f"entry {n}" for n in range(30, 60)]
    assert list(rows.columns) == ["id", "input", "label"]
    assert prepared(project(time=None)).tested_from is None


def test_a_row_without_a_time_is_refused_with_its_place(project):
    frame = pd.read_csv("diary.csv")
    frame.loc[7, "day"] = "last Monday"
    frame.to_csv("diary.csv", index=False)
    with pytest.raises(
        DataError, match=r"diary.csv: expected numbers or dates .* column 'day' .*found 'last Monday' at row 8 \(line 9\)"
    ):
        read_dataset("diary.csv", data=project(time="day"))
    frame.loc[7, "day"] = None
    frame.to_csv("diary.csv", index=False)
    with pytest.raises(DataError, match=r"found '' at row 8"):
        read_dataset("diary.csv", data=project(time="day"))


def test_a_kept_column_of_something_else_is_no_time(project):
    add("diary.csv", project(keep=["text"]))
    with pytest.raises(
        DataError, match=r"diary/v1: data.columns.time: expected numbers or dates .* in column 'text', found 'entry"
    ):
        prepared(project(time="text"))


def test_where_nothing_is_held_out_there_is_no_time_to_hold_out_by(project, data_params):
    with pytest.raises(
        ValidationError, match=r"expected a fraction where the newest rows by 'day' \(data.columns.time\) are tested on"
    ):
        data_params(columns={"time": "day"}, test_fraction=None)
