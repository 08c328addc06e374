from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from rootstock.classifier import Prediction
from rootstock.errors import DataError
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.monitoring.scored_rows import scored_rows

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> PredictionLog:
    return PredictionLog.of(str(tmp_path), "docs")


def of_customers(rows: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    return rows.assign(**{"keep:customer": names})


def batch(first: int, rows: int) -> pd.DataFrame:
    inputs = [f"text {i}" for i in range(first, first + rows)]
    noise = np.random.default_rng(first)
    ids = [str(i) for i in range(first, first + rows)]
    return scored_rows(ids, inputs, ("high", "low"), Prediction(noise.dirichlet([1, 1], rows), noise.normal(size=(rows, 3))))


def test_what_is_read_is_what_was_added(log: PredictionLog) -> None:
    rows = batch(0, 12)
    path = log.append(rows, version="3", batch="monday", now=NOON)
    assert path.name.startswith("20260301T120000000000Z-")
    found = log.read_window(version="3", rows=12).rows
    pd.testing.assert_frame_equal(found[list(rows.columns)].drop(columns="embedding"), rows.drop(columns="embedding"))
    assert np.array_equal(np.stack(list(found["embedding"])), np.stack(list(rows["embedding"])))
    assert set(found["version"]) == {"3"}
    assert set(found["time"]) == {"2026-03-01T12:00:00+00:00"}
    assert set(found["batch"]) == {"monday"}


def test_image_bytes_survive(log: PredictionLog) -> None:
    rows = batch(0, 10).assign(input=[bytes([0, 255, i]) for i in range(10)])
    log.append(rows, version="3", batch="pictures", now=NOON)
    assert list(log.read_window(version="3", rows=10).rows["input"]) == list(rows["input"])


def test_a_window_holds_the_newest_rows_of_the_version_oldest_first(log: PredictionLog) -> None:
    log.append(batch(20, 10), version="3", batch="later", now=NOON + timedelta(hours=1))
    log.append(batch(0, 10), version="3", batch="earlier", now=NOON)
    log.append(batch(90, 10), version="2", batch="other", now=NOON + timedelta(hours=2))
    window = log.read_window(version="3", rows=14)
    assert list(window.rows["id"]) == [str(i) for i in (*range(6, 10), *range(20, 30))]
    assert window.name == "v3-newest-14-until-20260301T130000000000Z"


def test_a_named_batch_is_read_evenly(log: PredictionLog) -> None:
    log.append(batch(0, 30), version="3", batch="a", now=NOON)
    log.append(batch(50, 30), version="3", batch="b", now=NOON)
    assert list(log.read_window(version="3", rows=10, batch="a").rows["id"]) == [str(i) for i in range(0, 30, 3)]


def test_of_a_batch_written_in_parts_only_those_are_read_that_a_window_needs(
    log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, read = batch(0, 30), []
    log.append_parts(rows, (rows.iloc[start : start + 8] for start in range(0, 30, 8)), version="3", batch="monday", now=NOON)
    group = pq.ParquetFile.read_row_group
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", lambda self, number: read.append(number) or group(self, number))
    found = log.read_window(version="3", rows=10).rows
    assert read == [2, 3]
    pd.testing.assert_frame_equal(
        found[list(rows.columns)].drop(columns="embedding"), rows.tail(10).reset_index(drop=True).drop(columns="embedding")
    )
    assert list(log.read_window(version="3", rows=10, batch="monday").rows["id"]) == [str(i) for i in range(0, 30, 3)]


def test_too_few_rows_tell_how_many_there_are_and_how_many_are_needed(log: PredictionLog) -> None:
    with pytest.raises(DataError, match=r"at least 40 rows .* in the log of version 3, found 0"):
        log.read_window(version="3", rows=40)
    log.append(batch(0, 12), version="3", batch="monday", now=NOON)
    assert log.count("3") == 12
    with pytest.raises(DataError, match=r"at least 40 rows .* found 12"):
        log.read_window(version="3", rows=40)
    with pytest.raises(DataError, match="expected batch 'sunday' of version 3, found: monday"):
        log.read_window(version="3", rows=5, batch="sunday")


def test_the_same_batch_again_counts_once(log: PredictionLog) -> None:
    first = log.append(batch(0, 12), version="3", batch="monday", now=NOON)
    assert log.append(batch(0, 12), version="3", batch="monday", now=NOON + timedelta(hours=1)) == first
    assert log.count("3") == 12


def test_a_write_cut_short_leaves_nothing_to_read(log: PredictionLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(batch(0, 12), version="3", batch="monday", now=NOON)

    def cut(self: pq.ParquetWriter, table: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(pq.ParquetWriter, "write_table", cut)
        with pytest.raises(KeyboardInterrupt):
            log.append(batch(20, 12), version="3", batch="tuesday", now=NOON)
    (log.folder / "3" / ".left-by-a-kill.parquet").write_bytes(b"PAR1 half")
    assert log.count("3") == 12
    assert len(log.read_window(version="3", rows=12).rows) == 12


def test_writers_at_once_lose_nothing(log: PredictionLog) -> None:
    def add(number: int) -> None:
        log.append(batch(number * 10, 10), version="3", batch=f"b{number}", now=NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(8)))
    assert sorted(map(int, log.read_window(version="3", rows=80).rows["id"])) == list(range(80))


def test_what_is_added_is_left_as_it_was(log: PredictionLog) -> None:
    rows = batch(0, 10)
    before = list(rows.columns)
    log.append(rows, version="3", batch="monday", now=NOON)
    assert list(rows.columns) == before


def test_names_that_lead_elsewhere_and_damaged_files_are_refused(log: PredictionLog) -> None:
    with pytest.raises(DataError, match="batch name"):
        log.append(batch(0, 10), version="3", batch="../up", now=NOON)
    with pytest.raises(DataError, match="expected rows in batch 'empty'"):
        log.append(batch(0, 10).head(0), version="3", batch="empty", now=NOON)
    path = log.append(batch(0, 10), version="3", batch="monday", now=NOON)
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="found it damaged"):
        log.read_window(version="3", rows=5)


def test_all_that_was_asked_is_read_whatever_version_answered(log: PredictionLog) -> None:
    log.append(batch(20, 3), version="3", batch="later", now=NOON + timedelta(hours=1))
    log.append(batch(0, 2), version="3", batch="earlier", now=NOON)
    log.append(batch(0, 2), version="2", batch="earlier", now=NOON)
    assert list(log.read_asked()["input"]) == ["text 0", "text 1", "text 0", "text 1", "text 20", "text 21", "text 22"]
    assert list(log.read_asked("later")["input"]) == ["text 20", "text 21", "text 22"]
    with pytest.raises(DataError, match="expected batch 'never', found: earlier, later"):
        log.read_asked("never")


def test_nothing_was_asked_of_a_model_without_a_log(log: PredictionLog) -> None:
    assert log.read_asked().empty


def test_a_batch_name_is_refused_where_it_is_longer_than_a_file_name_takes(log: PredictionLog) -> None:
    assert log.append(batch(0, 10), version="3", batch="b" * 120, now=NOON).is_file()
    with pytest.raises(DataError, match="at most 120 letters"):
        log.append(batch(0, 10), version="3", batch="b" * 121, now=NOON)


@pytest.mark.parametrize("found", [b"", b"PAR1 and no end"], ids=["empty", "cut short"])
def test_a_damaged_file_is_named_where_rows_are_only_counted(log: PredictionLog, found: bytes) -> None:
    path = log.append(batch(0, 10), version="3", batch="monday", now=NOON)
    path.write_bytes(found)
    with pytest.raises(DataError, match=rf"{path.name}: expected a file of the prediction log, found it damaged .*; move it away"):
        log.count("3")


def test_what_a_wrong_clock_dated_into_the_future_is_not_the_newest(log: PredictionLog) -> None:
    log.append(batch(50, 10), version="3", batch="wrong", now=NOON + timedelta(days=3650))
    log.append(batch(0, 10), version="3", batch="right", now=NOON)
    window = log.read_window(version="3", rows=10, until=NOON)
    assert list(window.rows["id"]) == [str(i) for i in range(10)]
    assert (log.count("3", until=NOON), log.count("3")) == (10, 20)
    assert log.dated_after("3", NOON) == ("wrong",)
    assert list(log.read_window(version="3", rows=10, batch="wrong", until=NOON).rows["id"]) == [str(i) for i in range(50, 60)]


@pytest.mark.parametrize("column", ["embedding", "predicted", "input"])
def test_a_file_of_another_version_that_lacks_a_column_is_named_with_it(log: PredictionLog, column: str) -> None:
    path = log.append(batch(0, 10), version="3", batch="monday", now=NOON)
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    with pytest.raises(DataError, match=rf"{path.name}: expected the columns .*, found no {column}; .* move it away"):
        log.read_window(version="3", rows=10)


def test_a_window_has_one_row_of_each_customer_and_goes_back_to_the_last_so_many_of_them(log: PredictionLog) -> None:
    log.append(of_customers(batch(0, 10), list("abcdefghij")), version="3", batch="monday", now=NOON)
    log.append(of_customers(batch(20, 10), list("xxxxxyyyyz")), version="3", batch="tuesday", now=NOON + timedelta(hours=1))
    window = log.read_window(version="3", rows=5, group="customer")
    assert list(window.rows["keep:customer"]) == ["i", "j", "x", "y", "z"]
    assert window.drawn_from == 12
    assert len(log.read_window(version="3", rows=5).rows["keep:customer"].unique()) == 2
    assert list(log.read_window(version="3", rows=3, batch="tuesday", group="customer").rows["keep:customer"]) == ["x", "y", "z"]


def test_which_row_of_a_customer_is_drawn_hangs_on_no_other_and_is_not_always_the_newest(log: PredictionLog) -> None:
    names = [f"customer {n}" for n in range(40) for _ in range(4)]
    log.append(of_customers(batch(0, 160), names), version="3", batch="monday", now=NOON)
    places = log.read_window(version="3", rows=40, group="customer").rows["id"].astype(int)
    assert set(places % 4) == {0, 1, 2, 3}
    newer = log.read_window(version="3", rows=20, group="customer").rows["id"].astype(int)
    assert list(newer[1:]) == list(places[21:])  # of the first customer of the window, the rows before it are not seen


def test_rows_without_a_customer_stand_alone_also_those_that_were_logged_before_there_was_the_column(log: PredictionLog) -> None:
    log.append(batch(0, 4), version="3", batch="before", now=NOON)
    log.append(of_customers(batch(20, 6), ["", "a", "", "a", "a", "b"]), version="3", batch="after", now=NOON + timedelta(hours=1))
    assert log.count("3", group="customer") == 8
    assert len(log.read_window(version="3", rows=8, group="customer").rows) == 8
    asked = log.read_asked()
    assert list(asked["keep:customer"]) == ["", "", "", "", "", "a", "", "a", "a", "b"]


def test_too_few_customers_are_told_as_such_and_counted_no_further_than_needed(
    log: PredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hour in range(3):
        rows = of_customers(batch(20 * hour, 12), ["a", "b", "c"] * 4)
        log.append(rows, version="3", batch=f"hour-{hour}", now=NOON + timedelta(hours=hour))
    with pytest.raises(
        DataError, match=r"at least 4 rows of different values of customer \(monitoring.window_rows\) .* found 3; predict more"
    ):
        log.read_window(version="3", rows=4, group="customer")
    read = []
    real = pq.read_metadata
    monkeypatch.setattr(pq, "read_metadata", lambda path: read.append(path) or real(path))
    assert log.count("3", group="customer", enough=3) == 3
    assert len(read) == 1


def test_the_same_rows_of_other_customers_are_another_batch(log: PredictionLog) -> None:
    for name in ("a", "b", "a"):
        log.append(of_customers(batch(0, 4), [name] * 4), version="3", batch="monday", now=NOON)
    assert log.count("3") == 8
