"""Every way in, and every fault that is refused, by file, row and column."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from rootstock.data import raw
from rootstock.data.read import NAMED_ROWS, read_dataset
from rootstock.errors import DataError
from rootstock.monitoring.predict import read_inputs
from rootstock.pictures import flattened

GOOD = [("one good match", "sports"), ("a late goal", "sports"), ("shares fell", "money"), ("rates rise", "money")]


def csv_file(folder: Path, rows=GOOD, header="text,label", name="rows.csv") -> Path:
    path = folder / name
    path.write_text(header + "\n" + "".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def png(grey: int, fmt: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4), grey).save(buffer, format=fmt)
    return buffer.getvalue()


def image_folder(folder: Path, *, splits: bool = False) -> Path:
    for number, split in enumerate(("train", "test") if splits else (".",)):
        for place, label in enumerate(("cat", "dog")):
            for copy in range(2):
                path = folder / split / label / f"{copy}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png(100 * number + 20 * place + copy))
    return folder


def fault(path, params) -> str:
    with pytest.raises(DataError) as caught:
        read_dataset(path, data=params)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


IMAGE = {"modality": {"name": "image", "side": 32}}


def test_a_csv_file_becomes_the_canonical_columns(tmp_path, data_params):
    frame = read_dataset(csv_file(tmp_path), data=data_params())
    assert list(frame.columns) == ["id", "input", "label", "split"]
    assert frame["input"].tolist() == [text for text, _ in GOOD]
    assert frame["label"].tolist() == [label for _, label in GOOD]
    assert set(frame["split"]) == {""}


def test_an_id_is_the_start_of_the_inputs_sha256_and_repeats_are_numbered(tmp_path, data_params):
    frame = read_dataset(csv_file(tmp_path, [*GOOD, GOOD[0]]), data=data_params())
    # printf 'one good match' | sha256sum
    import hashlib

    first = hashlib.sha256(b"one good match").hexdigest()[:16]
    assert frame["id"].iloc[0] == first
    assert frame["id"].iloc[4] == f"{first}-2"


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "parquet"])
def test_the_same_rows_read_alike_from_every_format(tmp_path, data_params, ending):
    raw = pd.DataFrame(GOOD, columns=["text", "label"])
    path = tmp_path / f"rows.{ending}"
    if ending == "tsv":
        raw.to_csv(path, sep="\t", index=False)
    elif ending == "jsonl":
        raw.to_json(path, orient="records", lines=True)
    else:
        raw.to_parquet(path)
    pd.testing.assert_frame_equal(read_dataset(path, data=data_params()), read_dataset(csv_file(tmp_path), data=data_params()))


def test_named_columns_are_used(tmp_path, data_params):
    rows = [(f"k{n}", text, label, "train" if n % 2 else "Test") for n, (text, label) in enumerate(GOOD)]
    path = csv_file(tmp_path, rows, "key,body,kind,part")
    frame = read_dataset(path, data=data_params(columns={"id": "key", "input": "body", "label": "kind", "split": "part"}))
    assert frame["id"].tolist() == ["k0", "k1", "k2", "k3"]
    assert frame["split"].tolist() == ["test", "train", "test", "train"]


def test_words_that_pandas_takes_for_nothing_stay_words(tmp_path, data_params):
    frame = read_dataset(csv_file(tmp_path, [("NA", "None"), ("null", "None"), *GOOD]), data=data_params())
    assert frame["input"].tolist()[:2] == ["NA", "null"]
    assert frame["label"].iloc[0] == "None"


def test_rows_with_the_same_input_keep_their_ids_in_whatever_order_a_file_holds_them(tmp_path, data_params):
    rows = [("hi", "sports", "n"), ("hi", "money", "s"), ("hi", "money", "n"), ("a goal", "sports", "n")]
    params, found = data_params(columns={"keep": ["region"]}), []
    for order in (rows, rows[::-1], [rows[1], rows[3], rows[2], rows[0]]):
        frame = read_dataset(csv_file(tmp_path, order, "text,label,region"), data=params)
        found.append(frame.sort_values("id", ignore_index=True))
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


def test_an_id_is_the_same_whether_a_file_holds_it_as_text_or_as_a_number(tmp_path, data_params):
    rows, params = pd.DataFrame(GOOD, columns=["text", "label"]), data_params(columns={"id": "id"})
    for name, ids in (("text", ["7", "8", "9", "10"]), ("int", [7, 8, 9, 10]), ("float", [7.0, 8.0, 9.0, 10.0])):
        rows.assign(id=ids).to_parquet(tmp_path / f"{name}.parquet")
        assert read_dataset(tmp_path / f"{name}.parquet", data=params)["id"].tolist() == ["7", "8", "9", "10"]
        assert read_inputs(tmp_path / f"{name}.parquet", params)["id"].tolist() == ["7", "8", "9", "10"]


def test_numeric_labels_become_text(tmp_path, data_params):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": f"text {n}", "label": n % 2}) + "\n" for n in range(4)))
    assert read_dataset(path, data=data_params())["label"].tolist() == ["0", "1", "0", "1"]


def test_rows_of_an_unlabelled_split_need_no_label(tmp_path, data_params):
    rows = [(*row, "train") for row in GOOD] + [("who knows", "", "unlabelled")]
    frame = read_dataset(csv_file(tmp_path, rows, "text,label,split"), data=data_params(columns={"split": "split"}))
    assert frame["label"].iloc[4] == ""


def test_a_folder_of_images_has_a_class_a_folder(tmp_path, data_params):
    frame = read_dataset(image_folder(tmp_path), data=data_params(**IMAGE))
    assert sorted(frame["label"]) == ["cat", "cat", "dog", "dog"]
    assert all(value.startswith(b"\x89PNG") for value in frame["input"])


def test_train_and_test_folders_declare_the_split(tmp_path, data_params):
    frame = read_dataset(image_folder(tmp_path, splits=True), data=data_params(**IMAGE))
    assert frame["split"].value_counts().to_dict() == {"train": 4, "test": 4}


def test_images_in_a_table_become_png(tmp_path, data_params):
    path = tmp_path / "rows.parquet"
    pd.DataFrame(
        {"image": [{"bytes": png(9 * n, "BMP"), "path": None} for n in range(4)], "label": ["a", "a", "b", "b"]}
    ).to_parquet(path)
    frame = read_dataset(path, data=data_params(columns={"input": "image"}, **IMAGE))
    assert all(value.startswith(b"\x89PNG") for value in frame["input"])


def test_a_folder_is_read_by_the_hub_loader(tmp_path, data_params, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "corpus"
    folder.mkdir()
    csv_file(folder, name="train.csv")
    csv_file(folder, [("a cup final", "sports"), ("bond sale", "money")], name="test.csv")
    frame = read_dataset(f"hf:{folder}", data=data_params())
    assert frame["split"].value_counts().to_dict() == {"train": 4, "test": 2}


def test_a_missing_file(tmp_path, data_params):
    assert "found nothing" in fault(tmp_path / "no.csv", data_params())


def test_an_empty_file(tmp_path, data_params):
    (tmp_path / "rows.csv").touch()
    assert "empty file" in fault(tmp_path / "rows.csv", data_params())


def test_an_unknown_ending(tmp_path, data_params):
    assert "'.xlsx'" in fault(csv_file(tmp_path, name="rows.xlsx"), data_params())


def test_a_missing_column_lists_those_found_and_the_nearest(tmp_path, data_params):
    message = fault(csv_file(tmp_path, header="textt,label"), data_params())
    assert "known: label, textt" in message
    assert "did you mean 'textt'" in message


@pytest.mark.parametrize("cell", ["", "   "])
def test_an_empty_text_names_row_and_line(tmp_path, data_params, cell):
    assert "none at row 2 (line 3)" in fault(csv_file(tmp_path, [GOOD[0], (cell, "sports"), *GOOD[1:]]), data_params())


def test_the_line_is_counted_over_texts_of_several_lines(tmp_path, data_params):
    message = fault(csv_file(tmp_path, [('"two\nlines"', "sports"), ("", "sports"), *GOOD]), data_params())
    assert "row 2 (line 4)" in message


def test_a_nan_text_names_its_row(tmp_path, data_params):
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"text": ["a b", None, "c d"], "label": ["x", "y", "x"]}).to_parquet(path)
    assert "none at row 2;" in fault(path, data_params())


def test_a_number_for_a_text(tmp_path, data_params):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": 7, "label": "a"}\n')
    assert "found int at row 1 (line 1)" in fault(path, data_params())


def test_a_missing_label_names_its_row(tmp_path, data_params):
    assert "expected a label in column 'label', found none at row 5 (line 6)" in fault(
        csv_file(tmp_path, [*GOOD, ("no label", "")]), data_params()
    )


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_bytes_that_are_not_utf8_name_the_line(tmp_path, data_params, name):
    path = tmp_path / name
    path.write_bytes(b"text,label\ncaf\xe9,a\n")
    assert "0xe9 at line 2" in fault(path, data_params())


def test_a_broken_json_line_names_the_line(tmp_path, data_params):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "label": "b"}\n\n{"text": \n')
    assert "line 3" in fault(path, data_params())


def test_a_text_of_a_megabyte_names_row_length_and_limit(tmp_path, data_params):
    message = fault(csv_file(tmp_path, [*GOOD, ("x" * 1_000_000, "money")]), data_params())
    assert "at most 20,000 characters" in message
    assert "1,000,000 at row 5 (line 6)" in message


def test_duplicate_ids_name_both_rows(tmp_path, data_params):
    rows = [("k", *GOOD[0]), ("l", *GOOD[1]), ("m", *GOOD[2]), ("k", *GOOD[3])]
    message = fault(csv_file(tmp_path, rows, "id,text,label"), data_params(columns={"id": "id"}))
    assert "'k' at row 1 (line 2) and at row 4 (line 5)" in message


def test_one_class_only(tmp_path, data_params):
    assert "at least two labels" in fault(csv_file(tmp_path, GOOD[:2]), data_params())


def test_a_class_with_one_row(tmp_path, data_params):
    assert "one of 'money' at row 3 (line 4)" in fault(csv_file(tmp_path, GOOD[:3]), data_params())


@pytest.mark.parametrize(
    ("labels", "kind"),
    [([["a", "b"], ["a"]] * 2, "ndarray"), ([{"name": "a"}, {"name": "b"}] * 2, "dict"), ([b"a", b"b"] * 2, "bytes")],
)
def test_a_label_that_is_not_one_value_names_its_row(tmp_path, data_params, labels, kind):
    pd.DataFrame({"text": list("wxyz"), "label": labels}).to_parquet(tmp_path / "a.parquet")
    message = fault(tmp_path / "a.parquet", data_params())
    assert f"expected one label in column 'label', found {kind} at row 1" in message


@pytest.mark.parametrize("other", ["Sports", "sports ", "SPORTS"])
def test_labels_that_differ_in_case_or_blanks(tmp_path, data_params, other):
    message = fault(csv_file(tmp_path, [*GOOD, ("a draw", other)]), data_params())
    assert f"'{other}' (1 rows)" in message
    assert "'sports' (2 rows)" in message
    assert "row 5" in message


def test_labels_whose_accents_stand_apart_are_the_same_label(tmp_path, data_params):
    rows = [("a", "caf\u00e9"), ("b", "cafe\u0301"), ("c", "the"), ("d", "the")]
    assert list(read_dataset(csv_file(tmp_path, rows), data=data_params())["label"]) == ["caf\u00e9"] * 2 + ["the"] * 2


def test_a_test_row_that_stands_in_train(tmp_path, data_params):
    rows = [(*row, "train") for row in GOOD] + [("One  good match", "sports", "test")]
    message = fault(csv_file(tmp_path, rows, "text,label,split"), data_params(columns={"split": "split"}))
    assert "row 5 (line 6), split test, also at row 1 (line 2), split train" in message


def test_a_split_declared_for_some_rows_only(tmp_path, data_params):
    rows = [(*GOOD[0], "train"), (*GOOD[1], ""), (*GOOD[2], "test")]
    assert "row 2 (line 3)" in fault(csv_file(tmp_path, rows, "text,label,split"), data_params(columns={"split": "split"}))


@pytest.mark.parametrize("content", [b"", png(3)[:-20]], ids=["zero-size", "truncated"])
def test_a_broken_image_names_its_file(tmp_path, data_params, content):
    image_folder(tmp_path)
    (tmp_path / "dog" / "1.png").write_bytes(content)
    assert "1.png: expected an image" in fault(tmp_path, data_params(**IMAGE))


def test_broken_images_are_counted_and_the_first_named_with_the_reason(tmp_path, data_params):
    image_folder(tmp_path)
    (tmp_path / "cat" / "0.png").write_bytes(b"")
    (tmp_path / "dog" / "1.png").write_bytes(png(3)[:-20])
    said = fault(tmp_path, data_params(**IMAGE))
    assert "found 2 of 4 that cannot be decoded: cat/0.png (0 bytes), dog/1.png (" in said
    assert "0x" not in said


def test_broken_images_in_a_table_are_counted_by_row(tmp_path, data_params):
    path = tmp_path / "rows.parquet"
    inputs = [png(1), None, png(2)[:30], png(4)]
    pd.DataFrame({"image": inputs, "label": ["a", "a", "b", "b"]}).to_parquet(path)
    said = fault(path, data_params(columns={"input": "image"}, **IMAGE))
    assert "of each of 4 rows, found 2 that cannot be decoded: row 2 (none, not a file's bytes), row 3 (" in said


def test_a_photograph_is_turned_as_its_camera_says(tmp_path, data_params):
    image_folder(tmp_path)
    lying = Image.new("RGB", (4, 2))
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(tmp_path / "cat" / "lying.jpg", exif=exif)
    frame = read_dataset(tmp_path, data=data_params(**IMAGE))
    assert (2, 4) in {flattened(Image.open(io.BytesIO(content))).size for content in frame["input"]}


def test_images_of_more_pixels_are_scaled_down_when_they_are_read(tmp_path, data_params):
    image_folder(tmp_path)
    Image.new("RGB", (40, 20)).save(tmp_path / "cat" / "wide.jpg")
    frame = read_dataset(tmp_path, data=data_params(**IMAGE, max_pixels=200))
    assert sorted(Image.open(io.BytesIO(content)).size for content in frame["input"]) == [(4, 4)] * 4 + [(20, 10)]


def test_an_image_outside_a_class_folder(tmp_path, data_params):
    image_folder(tmp_path)
    (tmp_path / "stray.png").write_bytes(png(1))
    assert "stray.png" in fault(tmp_path, data_params(**IMAGE))


def test_a_class_of_images_may_be_called_train(tmp_path, data_params):
    (image_folder(tmp_path) / "cat").rename(tmp_path / "train")
    assert set(read_dataset(tmp_path, data=data_params(**IMAGE))["label"]) == {"train", "dog"}


@pytest.mark.parametrize(
    ("names", "wrong"),
    [(["train/cat/1.png", "val/cat/1.png"], "val/cat/1.png"), (["train/1.png", "test/1.png"], "test/1.png")],
    ids=["another split", "splits without classes"],
)
def test_folders_of_splits_name_what_is_wrong_with_them(tmp_path, data_params, names, wrong):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(1))
    assert f"found {wrong};" in fault(tmp_path, data_params(**IMAGE))


def test_a_folder_for_text(tmp_path, data_params):
    assert "data.modality" in fault(image_folder(tmp_path), data_params())


def test_an_unknown_hub_name_is_wrong_input(tmp_path, data_params):
    assert "check the name" in fault(f"hf:{tmp_path / 'nothing'}", data_params())


def test_class_indices_of_the_hub_become_their_names(tmp_path, data_params, monkeypatch):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["money", "sports"])})
    rows = datasets.Dataset.from_dict({"text": [text for text, _ in GOOD], "label": [1, 1, 0, 0]}, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda name: datasets.DatasetDict(train=rows))
    frame = read_dataset("hf:owner/name", data=data_params())
    assert frame["label"].tolist() == [label for _, label in GOOD]


def test_a_table_of_paths_is_read_again_for_the_rows_that_are_named_alone_when_images_were_expected(
    tmp_path, data_params, monkeypatch
):
    reads = []
    monkeypatch.setattr(raw, "read_utf8", lambda path: reads.append(path) or path.read_text(encoding="utf-8"))
    path = csv_file(tmp_path, [(f"images/{number}.png", "cat") for number in range(40)])
    assert "found 40 that cannot be decoded: row 1 (line 2)" in fault(path, data_params(**IMAGE))
    assert len(reads) <= NAMED_ROWS
