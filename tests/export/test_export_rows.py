from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from rootstock.errors import DataError
from rootstock.export.rows import ComparedRows, read_rows
from rootstock.pictures import kept_bytes
from rootstock.reload import read_inputs, write_inputs

LABELS = ("boats", "bread")


def read(path: Path, modality: str = "text") -> ComparedRows:
    return read_rows(path, labels=LABELS, modality=modality, input_columns=("input", "text"), label_columns=("label", "topic"))


def test_the_first_column_of_those_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,topic,input\nwrong,boats,right\n", encoding="utf-8")
    found = read(path)
    assert (found.inputs, found.labels) == (["right"], ["boats"])


def test_rows_need_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\nkeel\nmast\n", encoding="utf-8")
    assert read(path).labels is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("line,label\nkeel,boats\n", "expected a column 'input' or 'text', found line, label"),
        ("text,label\nkeel,boats\n,boats\n", "expected a text in column 'text', found nothing in row 2"),
        ("text,label\nkeel,ships\n", "expected a label among boats, bread, found 'ships' in row 1"),
        ("text,label\nkeel,\n", "expected a label among boats, bread, found 'none' in row 1"),
    ],
    ids=["no input column", "an empty input", "an unknown label", "a row without a label"],
)
def test_a_bad_row_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_texts_given_to_an_image_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\nkeel\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected an image in column 'text', found str, not a file's bytes in row 1"):
        read(path, "image")


def test_subfolders_of_images_are_labels(tmp_path: Path, pictures: Callable[[int], tuple[list[bytes], list[str]]]) -> None:
    for label, data in zip(LABELS, pictures(1)[0], strict=False):
        (tmp_path / label).mkdir()
        (tmp_path / label / "one.png").write_bytes(data)
    found = read(tmp_path, "image")
    assert (found.inputs, found.labels) == (pictures(1)[0][:2], list(LABELS))


def test_images_in_a_table_are_read_as_when_they_are_added(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(buffer, format="JPEG")
    pd.DataFrame({"input": [{"bytes": buffer.getvalue(), "path": None}]}).to_parquet(tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet", "image").inputs == [kept_bytes(buffer.getvalue(), most_pixels=None)]
    pd.DataFrame({"input": [b"no"]}).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="expected an image in column 'input', found no image, or cut short: 2 bytes in row 1"):
        read(tmp_path / "rows.parquet", "image")


def test_folders_that_declare_a_split_are_no_labels(
    tmp_path: Path, pictures: Callable[[int], tuple[list[bytes], list[str]]]
) -> None:
    for split, label, data in zip(("test", "train"), LABELS, pictures(1)[0], strict=False):
        (tmp_path / split / label).mkdir(parents=True)
        (tmp_path / split / label / "one.png").write_bytes(data)
    assert read(tmp_path, "image").labels == list(LABELS)


def test_labels_are_read_as_when_they_are_added(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["keel", "rye"], "label": [1.0, 0.0]}).to_parquet(tmp_path / "rows.parquet")
    found = read_rows(
        tmp_path / "rows.parquet", labels=("0", "1"), modality="text", input_columns=("text",), label_columns=("label",)
    )
    assert found.labels == ["1", "0"]


def test_images_in_one_folder_have_no_labels(tmp_path: Path, pictures: Callable[[int], tuple[list[bytes], list[str]]]) -> None:
    (tmp_path / "one.png").write_bytes(pictures(1)[0][0])
    assert read(tmp_path, "image").labels is None


def test_a_changed_file_has_another_hash(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"text": ["keel"]}).to_parquet(path)
    before = read(path).sha256
    pd.DataFrame({"text": ["mast"]}).to_parquet(path)
    assert read(path).sha256 != before


def test_inputs_reach_the_other_process_as_they_are(tmp_path: Path) -> None:
    inputs = ["plain", "línea\nbreak", '{"base64": "no"}', b"\x00\xff"]
    write_inputs(inputs, tmp_path / "inputs.json")
    assert read_inputs(tmp_path / "inputs.json") == inputs
