"""Columns that are kept beside the canonical ones: read, stored, and carried through the splits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from rootstock.data import registry
from rootstock.data.card import make_card
from rootstock.data.diff import diff
from rootstock.data.prepare import prepare
from rootstock.data.read import read_dataset
from rootstock.data.resolve import resolve
from rootstock.errors import DataError

TABLE = pd.DataFrame(
    {
        "text": [f"{'abcd'[n % 4] * 6} {n}" for n in range(24)],
        "label": ["sea", "land"] * 12,
        "region": [None if n == 5 else ("north" if n % 3 else "south") for n in range(24)],
        "year": [2020.0 + n % 2 for n in range(24)],
    }
)


@pytest.fixture
def project(tmp_path, monkeypatch, data_params):
    """The table added with two columns kept; gives the params that keep what is asked for."""
    monkeypatch.chdir(tmp_path)
    TABLE.to_parquet("table.parquet")
    put(data_params(columns={"keep": ["region", "year"]}))

    def make(*keep: str, **changes):
        settings = {"registry": "data", "target": "reports", "sources": [], "labelled_rows_per_class": None}
        return data_params(columns={"keep": list(keep)}, **(settings | changes))

    return make


def put(data):
    frame = read_dataset("table.parquet", data=data)
    return registry.add(Path("data"), "reports", frame, card=make_card(frame, modality="text", origin="a test"))


def run(data):
    return prepare(resolve(data=data, workspace=".rootstock", folder=Path("out")), data=data, seed=0, folder=Path("out"))


def labels_of(prepared):
    return pd.concat(pd.read_parquet(file.path) for file in prepared.target.splits.values()).set_index("id")["label"]


def test_kept_columns_are_text_and_empty_where_nothing_stands(tmp_path, data_params):
    TABLE.to_parquet(tmp_path / "table.parquet")
    frame = read_dataset(tmp_path / "table.parquet", data=data_params(columns={"keep": ["year", "region"]}))
    assert list(frame.columns) == ["id", "input", "label", "split", "keep:region", "keep:year"]
    assert frame["keep:year"].tolist()[:2] == ["2020", "2021"]
    assert frame["keep:region"].tolist()[4:7] == ["north", "", "south"]


def test_a_column_to_keep_that_is_not_there_is_one_line_with_the_nearest(tmp_path, data_params):
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(DataError, match=r"data\.columns\.keep: unknown column 'regon'; .*did you mean 'region'\?"):
        read_dataset(tmp_path / "table.csv", data=data_params(columns={"keep": ["regon"]}))


def test_a_folder_of_images_has_no_column_to_keep(tmp_path, data_params):
    for label in ("cat", "dog"):
        for copy in range(2):
            (tmp_path / "pets" / label).mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), 100 * copy).save(tmp_path / "pets" / label / f"{copy}.png")
    data = data_params(modality={"name": "image", "side": 32}, columns={"keep": ["camera"]})
    with pytest.raises(DataError, match=r"expected a table to keep the column 'camera' of .*, found a folder"):
        read_dataset(tmp_path / "pets", data=data)


def test_every_split_of_the_target_carries_the_columns_asked_for_row_by_row(project):
    target = run(project("region")).target
    expected = dict(zip(TABLE["text"], TABLE["region"].fillna(""), strict=True))
    for split in ("train", "test"):
        rows = pd.read_parquet(target.splits[split].path)
        assert list(rows.columns) == ["id", "input", "label", "keep:region"]
        assert rows["keep:region"].tolist() == [expected[text] for text in rows["input"]]


def test_none_asked_for_leaves_the_rows_files_as_they_always_were(project):
    assert list(pd.read_parquet(run(project()).target.splits["test"].path).columns) == ["id", "input", "label"]


def test_a_version_without_the_column_is_still_read_and_says_what_to_do_where_it_is_asked_for(project, data_params):
    old = put(data_params())
    assert (old.revision, run(project()).target.revision.revision) == ("reports/v2", "reports/v2")
    with pytest.raises(DataError, match=r"reports/v2: .*kept column 'region'; .*'rootstock data add reports PATH'"):
        run(project("region"))


def test_the_same_rows_with_a_column_more_are_a_new_version(project, data_params):
    assert put(data_params()).revision == "reports/v2"
    assert put(data_params()).revision == "reports/v2"
    assert put(data_params(columns={"keep": ["year"]})).revision == "reports/v3"


def test_renamed_labels_hold_before_some_are_selected(project):
    prepared = run(project(renamed_labels={"sea": "ocean"}, labels=["ocean", "land"]))
    assert prepared.target.labels == ("land", "ocean")


def test_two_names_may_change_places(project):
    before = labels_of(run(project()))
    after = labels_of(run(project(renamed_labels={"sea": "land", "land": "sea"})))
    assert {(was, after[row]) for row, was in before.items()} == {("sea", "land"), ("land", "sea")}


def test_a_new_name_that_no_row_bears_is_one_line_with_the_nearest(project):
    with pytest.raises(DataError, match=r"data\.renamed_labels\.ocean: unknown label of reports/v1 'lamd'; .*did you mean 'land'"):
        run(project(renamed_labels={"ocean": "lamd"}))


def test_with_nothing_held_out_every_row_is_learned_from_and_tested_on(project):
    target = run(project("region", test_fraction=None)).target
    assert (sorted(target.splits), target.splits["train"].rows) == (["train", "unused"], 24)


def test_declared_test_rows_with_nothing_to_hold_out_are_an_error_that_names_the_way_out(project, data_params):
    TABLE.assign(part=["train", "train", "test"] * 8).to_parquet("table.parquet")
    put(data_params(columns={"split": "part"}))
    with pytest.raises(DataError, match=r"no declared test rows where data\.test_fraction is null, found 8; .*held_out"):
        run(project(test_fraction=None))


def test_diff_tells_which_rows_have_another_value_in_which_kept_column(project, data_params):
    changed = TABLE.assign(region=["west" if n in (3, 4) else value for n, value in enumerate(TABLE["region"])])
    changed["year"] = [value + 10 * (n == 4) for n, value in enumerate(TABLE["year"])]
    changed.to_parquet("table.parquet")
    put(data_params(columns={"keep": ["region", "year"]}))
    found = diff(Path("data"), "reports/v1", "reports")
    assert (found.added, found.removed, found.relabelled, found.rewritten) == ((), (), (), ())
    assert sorted((change.column, change.before, change.after) for change in found.kept) == [
        ("region", "north", "west"), ("region", "south", "west"), ("year", "2020", "2030"),
    ]  # fmt: skip
    assert found.rows_with_other_columns == 2
    assert (found.columns_added, found.columns_removed) == ((), ())


def test_a_column_that_one_version_was_added_without_is_no_change_of_its_rows(project, data_params):
    put(data_params(columns={"keep": ["region"]}))
    found = diff(Path("data"), "reports/v1", "reports")
    assert (found.columns_added, found.columns_removed, found.kept) == ((), ("year",), ())
    assert diff(Path("data"), "reports", "reports/v1").columns_added == ("year",)
