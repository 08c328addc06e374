from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from rootstock.errors import DataError, InputError
from rootstock.monitoring import predict as module
from rootstock.monitoring.predict import PredictedFile, predict_file, read_inputs
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.params import DataParams
from rootstock.pictures import kept_bytes
from rootstock.table import read_table

LABELS = ("high", "low", "middle")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def ask(tmp_path: Path, data_params: DataParams, classifier: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PredictedFile]:
    monkeypatch.chdir(tmp_path)

    def run(source: str, target: str, data: DataParams = data_params) -> PredictedFile:
        log = PredictionLog.of(".rootstock", "docs")
        return predict_file(Path(source), Path(target), load=lambda: ("3", classifier), data=data, log=log, now=NOW)

    return run


def test_rows_come_back_in_order_with_a_probability_for_each_class(ask: Callable[..., PredictedFile]) -> None:
    Path("in.csv").write_text('key,text,extra\n007,"a, b\nc",1\nNA,NA,2\n003,much much longer text than that,3\n')
    done = ask("in.csv", "out.csv")
    out = read_table(Path("out.csv"))
    assert list(out.columns) == ["id", "input", "predicted", *(f"probability:{label}" for label in LABELS)]
    assert list(out["id"]) == ["007", "NA", "003"]
    assert list(out["input"]) == ["a, b\nc", "NA", "much much longer text than that"]
    assert list(out["predicted"]) == ["low", "low", "high"]
    assert out.filter(like="probability:").astype(float).sum(axis=1).to_list() == pytest.approx([1.0] * 3)
    assert (done.rows, done.predicted, done.batch) == (3, {"high": 1, "low": 2, "middle": 0}, "in")


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_all_kinds_of_file_give_the_same_answers(ask: Callable[..., PredictedFile], ending: str) -> None:
    Path("in.jsonl").write_text('{"text": "naïve \\u2028 line"}\n\n{"text": "b"}\n', encoding="utf-8")
    ask("in.jsonl", f"out.{ending}")
    out = read_table(Path(f"out.{ending}"))
    assert list(out["id"].astype(str)) == ["1", "2"]
    assert list(out["input"]) == ["naïve \u2028 line", "b"]
    assert list(out["predicted"]) == ["high", "low"]


def test_every_row_goes_into_the_log_with_its_embedding_and_a_second_try_adds_none(ask: Callable[..., PredictedFile]) -> None:
    Path("May 1st (a).csv").write_text("text\n" + "\n".join(f"row {i}" for i in range(12)) + "\n")
    done = ask("May 1st (a).csv", "out.csv")
    assert ask("May 1st (a).csv", "out.csv").log == done.log
    window = PredictionLog.of(".rootstock", "docs").read_window(version="3", rows=12, batch="May-1st-a")
    assert list(window.rows["input"]) == [f"row {i}" for i in range(12)]
    assert len(window.rows["embedding"][0]) == 3


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_that_are_predicted_in_parts_stand_in_one_table_and_one_batch(
    ask: Callable[..., PredictedFile], monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    texts = ["plain", "two\nlines", "a\rreturn", 'a "quote", too', *(f"row {i} {'x' * i}" for i in range(9))]
    pd.DataFrame({"text": texts}).to_parquet("in.parquet")
    whole = ask("in.parquet", f"whole.{ending}")
    monkeypatch.setattr(module, "PART_ROWS", 5)
    done = ask("in.parquet", f"parts.{ending}")
    pd.testing.assert_frame_equal(read_table(Path(f"parts.{ending}")), read_table(Path(f"whole.{ending}")))
    assert (done.rows, done.predicted, done.log) == (13, whole.predicted, whole.log)
    assert PredictionLog.of(".rootstock", "docs").count("3") == 13


def test_a_prediction_cut_short_between_parts_leaves_neither_output_nor_log(
    ask: Callable[..., PredictedFile], classifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in.csv").write_text("text\n" + "\n".join(f"row {i}" for i in range(12)) + "\n")
    predict, asked = type(classifier).predict, []

    def cut(self: Any, inputs: list[str]) -> Any:
        asked.append(len(inputs))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return predict(self, inputs)

    monkeypatch.setattr(type(classifier), "predict", cut)
    monkeypatch.setattr(module, "PART_ROWS", 5)
    with pytest.raises(KeyboardInterrupt):
        ask("in.csv", "out.csv")
    assert asked == [5, 5, 2]
    assert [path.name for path in Path().rglob("*") if path.is_file()] == ["in.csv"]


def test_a_folder_of_images_is_read_by_path(ask: Callable[..., PredictedFile], data_params: DataParams) -> None:
    images = DataParams.model_validate(data_params.model_dump() | {"modality": {"name": "image", "side": 8}})
    Path("pictures/deep").mkdir(parents=True)
    for name in ("b.png", "a.jpg"):
        Image.new("RGB", (4, 4), "red").save(Path("pictures/deep") / name)
    Path("pictures/notes.txt").write_text("no image")
    ask("pictures", "out.jsonl", images)
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["deep/a.jpg", "deep/b.png"]
    logged = PredictionLog.of(".rootstock", "docs").read_window(version="3", rows=2).rows
    assert [Image.open(io.BytesIO(content)).format for content in logged["input"]] == ["JPEG", "PNG"]


def test_an_image_in_a_table_is_the_one_that_data_add_makes_of_it(
    ask: Callable[..., PredictedFile], data_params: DataParams
) -> None:
    images = DataParams.model_validate(data_params.model_dump() | {"modality": {"name": "image", "side": 8}})
    sideways, picture, buffer = Image.Exif(), Image.new("RGB", (6, 4), "red"), io.BytesIO()
    sideways[0x0112] = 6
    picture.save(buffer, format="JPEG", exif=sideways)
    content = buffer.getvalue()
    pd.DataFrame({"text": [content]}).to_parquet("bytes.parquet")
    pd.DataFrame({"text": [{"bytes": content, "path": "a.jpg"}]}).to_parquet("hub.parquet")
    for name in ("bytes", "hub"):
        assert list(read_inputs(Path(f"{name}.parquet"), images)["input"]) == [kept_bytes(content, most_pixels=None)]
    small = DataParams.model_validate(images.model_dump() | {"max_pixels": 6})
    (scaled,) = read_inputs(Path("bytes.parquet"), small)["input"]
    assert scaled == kept_bytes(content, most_pixels=6)
    assert Image.open(io.BytesIO(scaled)).size == (2, 3)


def test_an_image_in_a_table_that_cannot_be_decoded_is_told_before_a_model_is_loaded(
    ask: Callable[..., PredictedFile], data_params: DataParams, classifier: Any
) -> None:
    images = DataParams.model_validate(data_params.model_dump() | {"modality": {"name": "image", "side": 8}})
    pd.DataFrame({"text": [b"no", b"no"]}).to_parquet("in.parquet")
    with pytest.raises(DataError, match=r"in.parquet: expected an image, found one that cannot be decoded \(no image.*\) in row 1"):
        ask("in.parquet", "out.csv", images)
    assert classifier.asked == 0


def test_lists_in_place_of_texts_are_told(ask: Callable[..., PredictedFile]) -> None:
    pd.DataFrame({"text": [["a", "b"], ["c"]]}).to_parquet("in.parquet")
    with pytest.raises(DataError, match="expected text, found ndarray in row 1"):
        ask("in.parquet", "out.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"body\nx\n", r"expected the input column 'text' \(data.columns.input\), found body"),
        (b"text,key\nx,1\n,2\n", r"expected text, found nothing in row 2 \(id 2\)"),
        (b"text\nx\n  \n", "only blanks in row 2"),
        (b"text\n" + b"x" * 1_000_000 + b"\n", r"at most 20000 characters \(data.max_characters\), found 1000000 in row 1"),
        (b"text\nok\n\xff\n", "expected UTF-8 text, found byte 0xff at line 3"),
        (b"text,key\nx,1\ny,\n", "expected an id in each row, found none in row 2"),
        (b"", "found an empty file"),
    ],
)
def test_bad_input_is_told_in_one_line_before_anything_is_written(
    ask: Callable[..., PredictedFile], classifier: Any, content: bytes, message: str
) -> None:
    Path("in.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        ask("in.csv", "out.csv")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert sorted(path.name for path in Path().iterdir()) == ["in.csv"]
    assert classifier.asked == 0


def test_numbers_in_place_of_texts_are_told(ask: Callable[..., PredictedFile]) -> None:
    pd.DataFrame({"text": [1, 2]}).to_parquet("in.parquet")
    with pytest.raises(DataError, match="expected text, found int in row 1"):
        ask("in.parquet", "out.csv")


def test_the_input_is_never_overwritten_and_the_ending_is_checked_first(ask: Callable[..., PredictedFile]) -> None:
    Path("in.csv").write_text("text\nx\n")
    with pytest.raises(DataError, match="another file than the input"):
        ask("in.csv", "./in.csv")
    with pytest.raises(DataError, match=r"ending in .csv, .tsv, .jsonl, .parquet, found '.xlsx'"):
        ask("in.csv", "out.xlsx")
    Path("folder").mkdir()
    with pytest.raises(DataError, match="table file for modality text, found a folder"):
        ask("folder", "out.csv")


@pytest.mark.parametrize(("target", "said"), [("taken.csv", "found a folder"), ("in.csv/out.csv", "in.csv is a file")])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_predicted(
    ask: Callable[..., PredictedFile], data_params: DataParams, target: str, said: str
) -> None:
    Path("in.csv").write_text("text\nlonger\n")
    Path("taken.csv").mkdir()
    log = PredictionLog.of(".rootstock", "docs")
    with pytest.raises(DataError, match=said):
        predict_file(Path("in.csv"), Path(target), load=lambda: pytest.fail("asked a model"), data=data_params, log=log, now=NOW)


def test_an_input_with_a_long_name_is_logged_under_the_start_of_it(ask: Callable[..., PredictedFile]) -> None:
    name = "n" * 230
    Path(f"{name}.csv").write_text("text\nlonger\n")
    done = ask(f"{name}.csv", "out.csv")
    assert done.batch == name[:120]
    assert Path(done.log).is_file()


def of_group(data: DataParams, **columns: Any) -> DataParams:
    return data.model_copy(update={"columns": data.columns.model_copy(update=columns)})


def test_what_is_kept_with_rows_goes_into_the_log_and_not_into_the_answers(
    ask: Callable[..., PredictedFile], data_params: DataParams
) -> None:
    data = of_group(data_params, group="patient", time="day", keep=("ward", "tariff"))
    Path("in.csv").write_text("text,patient,day,ward\none text,7.0,2026-01-31, a \nanother,,,b\n")
    done = ask("in.csv", "out.csv", data)
    logged = read_table(Path(done.log))
    assert {name: list(logged[name]) for name in logged if name.startswith("keep:")} == {
        "keep:patient": ["7.0", ""], "keep:day": ["2026-01-31", ""], "keep:ward": ["a", "b"],
    }  # fmt: skip
    assert list(read_table(Path("out.csv")).columns) == ["id", "input", "predicted", *(f"probability:{label}" for label in LABELS)]


def test_rows_whose_groups_nobody_tells_are_refused_before_anything_is_asked(
    ask: Callable[..., PredictedFile], data_params: DataParams, classifier: Any
) -> None:
    Path("in.csv").write_text("text,ward\none text,a\n")
    with pytest.raises(
        DataError, match=r"in.csv: expected the group column 'patient' .*, found text, ward; add it, with blank cells"
    ):
        ask("in.csv", "out.csv", of_group(data_params, group="patient"))
    assert classifier.asked == 0
