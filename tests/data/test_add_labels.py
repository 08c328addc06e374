"""Labels that come back: each goes to its row, and nothing that was labelled changes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rootstock.data.add_labels import add_labels
from rootstock.data.rows import content_ids, make_frame
from rootstock.errors import DataError

SHEET = Path("sheet.csv")


def dataset(**changes) -> pd.DataFrame:
    inputs = ["one", "two", "three", "four", "five", "six"]
    values = {
        "splits": ["train", "train", "test", "test", "unlabelled", "unlabelled"], "ids": ["r1", "r2", "r3", "r4", "r5", "r6"],
        "kept": {"region": ["n", "s", "n", "s", "n", "s"]},
    }  # fmt: skip
    return make_frame(inputs, ["a", "b", "a", "b", "", ""], **(values | changes))


def sheet(*rows: tuple[str, str, str | None, str]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["id", "input", "label", "split"])


def added(frame: pd.DataFrame, table: pd.DataFrame, *, new_labels: bool = False):
    return add_labels(frame, table, where=SHEET, read_input=lambda cell, place: str(cell), new_labels=new_labels)


def row(frame: pd.DataFrame, name: str) -> dict[str, str]:
    [found] = frame[frame["id"] == name].to_dict("records")
    return found


def test_a_chosen_row_is_learned_from_and_one_by_chance_is_tested_on():
    frame, counts = added(dataset(), sheet(("r5", "five", "a", "chosen"), ("r6", "six", "b", "sample")))
    assert (row(frame, "r5")["label"], row(frame, "r5")["split"]) == ("a", "chosen")
    assert (row(frame, "r6")["label"], row(frame, "r6")["split"]) == ("b", "test")
    assert (counts.labelled, counts.added, counts.blank) == (2, 0, 0)


@pytest.mark.parametrize(("declared", "wanted"), [("", ""), ("train", "train")])
def test_a_row_by_chance_is_as_any_other_where_no_test_rows_are_declared(declared, wanted):
    frame = dataset(splits=[declared] * 4 + ["unlabelled"] * 2)
    changed, _ = added(frame, sheet(("r6", "six", "b", "sample")))
    assert row(changed, "r6")["split"] == wanted


def test_rows_from_elsewhere_get_an_id_from_their_content_and_empty_kept_columns():
    changed, counts = added(dataset(), sheet(("17", "seven", "a", "chosen")))
    found = row(changed, content_ids(["seven"])[0])
    assert (found["input"], found["label"], found["split"], found["keep:region"]) == ("seven", "a", "chosen", "")
    assert (counts.labelled, counts.added) == (0, 1)


def test_a_row_is_known_by_its_input_too():
    changed, counts = added(dataset(), sheet(("17", " FIVE ", "a", "chosen")))
    assert len(changed) == 6
    assert row(changed, "r5")["label"] == "a"
    assert (counts.labelled, counts.added) == (1, 0)


def test_a_text_that_is_another_rows_takes_the_label_whatever_the_id():
    changed, counts = added(dataset(), sheet(("r6", "five", "a", "chosen"), ("r1", "six", "b", "chosen")))
    assert {name: row(changed, name)["label"] for name in ("r1", "r5", "r6")} == {"r1": "a", "r5": "a", "r6": "b"}
    assert (counts.labelled, counts.added) == (2, 0)


def test_a_text_that_is_no_row_under_the_id_of_one_is_refused():
    table = sheet(("r5", "five", "a", "chosen"), ("r6", "sixty", "a", "chosen"))
    with pytest.raises(DataError, match=r"sheet.csv: row 2 \(id r6\): expected the text that the dataset has under this id"):
        added(dataset(), table)


@pytest.mark.parametrize("cell", ["first\nlast ", " first\r\nlast\r\n", "first\rlast", "First\u00a0 last", "", None, float("nan")])
def test_blanks_at_the_ends_other_line_endings_and_no_text_are_the_row_of_the_id(cell):
    frame = make_frame(
        ["one", "two", "first\r\nlast"], ["a", "b", ""], splits=["train", "train", "unlabelled"], ids=["1", "2", "3"]
    )
    changed, counts = added(frame, sheet(("3", cell, "a", "chosen")))
    assert (row(changed, "3")["label"], row(changed, "3")["input"]) == ("a", "first\r\nlast")
    assert counts.labelled == 1


def test_an_input_twice_in_a_sheet_is_one_row():
    changed, counts = added(dataset(), sheet(("17", "seven", "a", "chosen"), ("18", "Seven", "a", "chosen")))
    assert len(changed) == 7
    assert (counts.added, counts.unchanged) == (1, 1)


def test_an_id_that_another_row_has_is_not_taken():
    taken = content_ids(["seven"])[0]
    frame = dataset(ids=[taken, "r2", "r3", "r4", "r5", "r6"])
    changed, _ = added(frame, sheet(("17", "seven", "a", "chosen")))
    assert row(changed, taken)["input"] == "one"
    assert row(changed, f"{taken}-")["input"] == "seven"


@pytest.mark.parametrize("blank", ["", None, "  "])
def test_blank_labels_are_passed_over(blank):
    changed, counts = added(dataset(), sheet(("r5", "five", blank, "chosen"), ("r6", "six", "a", "chosen")))
    assert (row(changed, "r5")["label"], row(changed, "r5")["split"]) == ("", "unlabelled")
    assert (counts.labelled, counts.blank) == (1, 1)


def test_the_same_sheet_again_changes_nothing():
    table = sheet(("r5", "five", "a", "chosen"), ("17", "seven", "b", "chosen"))
    once, _ = added(dataset(), table)
    twice, counts = added(once, table)
    pd.testing.assert_frame_equal(once, twice)
    assert (counts.labelled, counts.added, counts.unchanged) == (0, 0, 2)


def test_other_rows_and_what_was_given_stay_as_they_were():
    frame, table = dataset(), sheet(("r5", "five", "a", "chosen"))
    before = frame.copy(), table.copy()
    changed, _ = added(frame, table)
    pd.testing.assert_frame_equal(frame, before[0])
    pd.testing.assert_frame_equal(table, before[1])
    pd.testing.assert_frame_equal(changed[changed["id"] != "r5"], frame[frame["id"] != "r5"])


def test_images_keep_their_bytes():
    frame = make_frame([b"x", b"y", b"z"], ["a", "b", ""], splits=["train", "train", "unlabelled"])
    name = frame["id"][2]
    changed, _ = added(frame, sheet((name, "sheet/z.png", "a", "chosen")))
    assert row(changed, name)["input"] == b"z"


def test_new_labels_are_taken_where_that_is_asked_for():
    table = sheet(("r5", "five", "c", "chosen"))
    _, counts = added(dataset(), table, new_labels=True)
    assert counts.new_labels == ("c",)
    with pytest.raises(DataError, match=r"sheet.csv: row 1: unknown label 'c'; known: a, b; .*--new-labels"):
        added(dataset(), table)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (sheet(("r1", "one", "b", "chosen")), r"row 1: expected a row without a label, found it labelled 'a' already and 'b' here"),
        (sheet(("r5", "five", "a", "train")), r"row 1 \(id r5\): unknown split 'train'; known: chosen, sample"),
        (sheet(("r5", "five", "a", "chosen")).drop(columns="split"), r"expected the columns id, .*, split, found no 'split'"),
        (sheet(("x", "new", "a", "chosen"), ("y", "new", "b", "chosen")), r"row 2: expected .* labelled 'a' already and 'b' here"),
    ],
    ids=["another label", "a split of their own", "no split", "two labels for one input"],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_row(table, message):
    with pytest.raises(DataError, match=message):
        added(dataset(), table)


def test_a_label_in_another_spelling_is_refused_though_new_labels_are_taken():
    with pytest.raises(DataError, match=r"row 1: expected one spelling for each label, found 'A' beside 'a'; make them the same"):
        added(dataset(), sheet(("r5", "five", "A", "chosen")), new_labels=True)
    twins = sheet(("r5", "five", "New", "chosen"), ("r6", "six", "new", "chosen"))
    with pytest.raises(DataError, match=r"row 2: .* found 'new' beside 'New'"):
        added(dataset(), twins, new_labels=True)


def test_a_label_whose_accents_stand_apart_is_the_label_of_the_dataset():
    for mine, theirs in (("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9")):
        frame = dataset().replace({"label": {"a": mine}})
        changed, counts = added(frame, sheet(("r5", "five", theirs, "chosen")))
        assert (row(changed, "r5")["label"], counts.new_labels) == (mine, ())
