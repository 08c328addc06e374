from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rootstock.errors import InputError
from rootstock.table import is_missing, read_image_folder, read_table, text_in, write_table


def test_cells_stay_text_and_empty_ones_are_null(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n007,"NA\nnull"\n\n1.50,\n')
    frame = read_table(path)
    assert list(frame["id"]) == ["007", "1.50"]
    assert frame["text"][0] == "NA\nnull"
    assert pd.isna(frame["text"][1])


def test_whole_numbers_stay_whole_beside_a_row_without_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 9007199254740993, "share": 0.5}\n{"id": 9007199254740992}\n{"share": 1}\n')
    frame = read_table(path)
    assert [text_in(cell) for cell in frame["id"]] == ["9007199254740993", "9007199254740992", ""]
    assert [text_in(cell) for cell in frame["share"]] == ["0.5", "", "1"]


@pytest.mark.parametrize("cell", ["", " \t\n", "\u200b", "\ufeff \u2060\u00ad", "\x00"], ids=ascii)
def test_a_text_of_which_nothing_can_be_seen_is_missing(cell: str) -> None:
    assert is_missing(cell)
    assert not is_missing(f"{cell}a")
    assert not is_missing(f"{cell}\U0001fae8")


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"id": ["01", "2"], "text": ['say "tab\there", and\nmore', "ünï \u2028 \U0001f600"]})
    write_table(frame, tmp_path / f"a{ending}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"a{ending}"), frame)


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
@pytest.mark.parametrize(
    "text",
    [
        "a\rb",
        "\r",
        "a\r\nb",
        "a\nb",
        'say "b"',
        '"',
        "a,b",
        "a\tb",
        "a;b",
        "\ufeffa",
        "  a",
        "a  ",
        "\ta",
        "a\t",
        "NA",
        '\r, "\t\n',
    ],
    ids=repr,
)
def test_a_text_is_read_as_it_was_written(tmp_path: Path, ending: str, text: str) -> None:
    frame = pd.DataFrame({"id": ["1", "2"], "text": [text, "b"], "more": [text, "c"]})
    write_table(frame, tmp_path / f"a{ending}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"a{ending}"), frame)


def test_only_a_carriage_return_makes_all_cells_quoted(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"id": [1], "text": ["a"]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"id,text\n1,a\n"
    write_table(pd.DataFrame({"id": [1], "text": ["a\rb"]}), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b'"id","text"\n"1","a\rb"\n'


def test_a_cell_of_a_megabyte_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.CSV"
    path.write_bytes(b"\xef\xbb\xbftext\n" + b"x" * 1_000_000 + b"\n")
    assert len(read_table(path)["text"][0]) == 1_000_000


def test_a_parquet_file_has_the_columns_that_stand_in_it_when_pandas_wrote_notes_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"text": ["a", "b"], "n": [1, 2]}).set_index("text").to_parquet(path)
    assert sorted(read_table(path).columns) == ["n", "text"]
    pd.DataFrame([["a", "x"], ["b", "y"]]).to_parquet(path)
    assert list(read_table(path).columns) == ["0", "1"]
    nulls = {"text": pd.array(["a", None], dtype="string"), "n": pd.array([2**60 + 1, None], dtype="Int64")}
    pd.DataFrame(nulls).to_parquet(path)
    frame = read_table(path)
    assert all(value is None or value != value for value in frame.iloc[1])
    assert frame["n"][0] == 2**60 + 1


def test_a_parquet_file_with_a_column_twice_or_an_unknown_time_zone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([pa.array(["x"]), pa.array(["y"])], names=["a", "a"]), path)
    with pytest.raises(InputError, match=r"a.parquet: .* more than one 'a' in the header"):
        read_table(path)
    pq.write_table(pa.table({"when": pa.array([1], pa.timestamp("us", tz="Mars/Phobos"))}), path)
    with pytest.raises(InputError, match=r"a.parquet: .*Mars/Phobos"):
        read_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "expected 2 cells as in the header, found 3 in the row that ends at line 3"),
        ("a.csv", b"a,b\n1\n", "expected 2 cells as in the header, found 1"),
        ("a.csv", b"a,a\n1,2\n", "more than one 'a' in the header"),
        ("a.csv", b'a\n"open\n', "quoted as in RFC 4180"),
        ("a.csv", b"a\n\xe9\n", "found byte 0xe9 at line 2"),
        ("a.csv", b"a,b\n", "expected rows, found none under the columns a, b"),
        ("a.csv", b"", "found an empty file"),
        ("a.csv", b"id;text\n1;x, y\n", r"separated by ',', found one column 'id;text' that holds ';'; save it with ','"),
        ("a.csv", b"id\ttext\n1\tx\n", r"found one column .*; rename it to a.tsv"),
        ("a.tsv", b"id,text\n1,x\n", r"found one column 'id,text' that holds ','; rename it to a.csv"),
        ("a.csv.gz", b"x", "found '.gz'; unpack it"),
        ("a.jsonl", b'{"a": 1}\n[1]\n', "found list at line 2"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "at line 2"),
        ("a.jsonl", b'{"a": "\\ud83d"}\n', "half of a UTF-16 surrogate pair at line 1"),
        ("a.parquet", b"PAR1 no", "expected a Parquet file"),
        ("a.xlsx", b"x", "found '.xlsx'"),
    ],
)
def test_what_is_no_table_is_told_in_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="found a folder"):
        read_table(tmp_path / "folder.csv")


def test_a_folder_without_images_and_a_broken_image_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected images .* found none"):
        read_image_folder(tmp_path, most_pixels=None)
    (tmp_path / "a.png").write_bytes(b"\x89PNG no")
    with pytest.raises(InputError, match=r"a.png: expected an image, found one that cannot be decoded .* the only one of 1 here"):
        read_image_folder(tmp_path, most_pixels=None)
