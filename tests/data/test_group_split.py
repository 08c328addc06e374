"""Whole groups are held out, and what is asked of a column that says which rows belong together."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from one_table import add, prepared
from rootstock.data.read import read_dataset
from rootstock.data.rows import make_frame
from rootstock.data.split import assign_splits
from rootstock.errors import DataError


def visits(patients: int, *, start: int = 0, seed: int = 0) -> pd.DataFrame:
    """One to six rows a patient, of two classes of which a patient may have both."""
    random = np.random.default_rng(seed)
    group = [f"patient {start + patient}" for patient in range(patients) for _ in range(random.integers(1, 7))]
    labels = ["ill" if random.random() < 0.3 else "well" for _ in group]
    return make_frame([f"visit {start} {row}" for row in range(len(group))], labels).assign(group=group)


def split(frame: pd.DataFrame, **changes) -> pd.Series:
    settings = {"seed": 0, "test_fraction": 0.3, "test_rows": None, "rows_per_class": None} | changes
    return pd.Series(assign_splits(frame, **settings), index=frame.index)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_stands_on_two_sides_and_each_label_has_its_share_nearly(seed):
    frame = visits(120, seed=seed)
    splits = split(frame, seed=seed)
    assert (splits.groupby(frame["group"]).nunique() == 1).all()
    for label in ("ill", "well"):
        assert (splits[frame["label"] == label] == "test").mean() == pytest.approx(0.3, abs=0.03)


def test_row_order_does_not_matter_and_the_rows_stay_as_they_are():
    frame = visits(40)
    before, shuffled = frame.copy(), frame.sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(split(shuffled).sort_index(), split(frame))
    pd.testing.assert_frame_equal(frame, before)


def test_few_groups_change_sides_when_others_arrive():
    old, new = visits(100), visits(20, start=100, seed=5)
    both = pd.concat([old, new], ignore_index=True)
    before, after = split(old), split(both)[: len(old)]
    moved = old["group"][before.to_numpy() != after.to_numpy()].nunique()
    assert moved <= 10


def test_an_input_that_two_groups_share_holds_both_on_one_side():
    frame = visits(60)
    frame.loc[frame.index[::20], "input"] = "the same words"
    splits = split(frame)
    bound = frame["group"].isin(frame["group"][frame["input"] == "the same words"])
    assert splits[bound].nunique() == 1


def test_a_label_in_one_group_alone_is_learned_from():
    frame = make_frame([f"row {n}" for n in range(12)], ["rare"] * 3 + ["usual"] * 9)
    splits = split(frame.assign(group=["a"] * 3 + [f"g{n}" for n in range(9)]), test_fraction=0.5)
    assert set(splits[:3]) == {"train"}
    assert Counter(splits[3:])["test"] in (4, 5)


def test_a_label_of_large_groups_is_tested_on_where_one_can_be_spared():
    frame = make_frame([f"row {n}" for n in range(40)], ["a"] * 20 + ["b"] * 20)
    splits = split(frame.assign(group=[f"g{n // 10}" for n in range(40)]), test_fraction=0.1)
    for label in ("a", "b"):
        assert Counter(splits[frame["label"] == label]) == {"train": 10, "test": 10}


def test_chosen_rows_of_a_group_that_is_tested_on_are_left_unused():
    frame = visits(40)
    plain = split(frame)
    tested, learned = (frame["group"][plain == side].iloc[0] for side in ("test", "train"))
    more = make_frame(["chosen one", "chosen other"], ["ill", "well"], splits=["chosen", "chosen"], ids=["x", "y"])
    both = pd.concat([frame, more.assign(group=[tested, learned])], ignore_index=True)
    assert split(both)[-2:].tolist() == ["unused", "train"]


def test_a_declared_split_that_divides_a_group_is_refused_with_its_name():
    frame = make_frame(["a", "b", "c", "d"], ["x", "y", "x", "y"], splits=["train", "train", "test", "test"])
    with pytest.raises(DataError, match=r"all rows of a group in one declared split, found 'ann' in train and in test; move"):
        split(frame.assign(group=["bob", "ann", "ann", "eve"]))
    assert split(frame.assign(group=["bob", "bob", "ann", "eve"])).tolist() == ["train", "train", "test", "test"]


@pytest.fixture
def project(tmp_path, monkeypatch, data_params):
    """A table of visits with its patients; a function that gives the params which name a group."""
    monkeypatch.chdir(tmp_path)
    visits(60).rename(columns={"input": "text", "group": "patient"})[["text", "label", "patient"]].to_csv("visits.csv", index=False)

    def make(**columns):
        settings = {"registry": "data", "target": "visits", "sources": [], "labelled_rows_per_class": None}
        return data_params(columns=columns, **settings)

    return make


def test_the_rows_of_every_split_name_their_group_and_no_slice_does(project):
    add("visits.csv", project(group="patient"))
    target = prepared(project(group="patient"))
    parts = {name: pd.read_parquet(file.path) for name, file in target.splits.items()}
    assert all(list(part.columns) == ["id", "input", "label", "group"] for part in parts.values())
    assert not set(parts["train"]["group"]) & set(parts["test"]["group"])
    assert target.groups == {name: part["group"].nunique() for name, part in parts.items()}


def test_a_group_that_is_kept_too_is_a_slice_as_well(project):
    add("visits.csv", project(group="patient", keep=["patient"]))
    target = prepared(project(group="patient", keep=["patient"]))
    assert list(pd.read_parquet(target.splits["test"].path).columns) == ["id", "input", "label", "keep:patient", "group"]


def test_without_a_group_the_rows_have_none(project):
    add("visits.csv", project(group="patient"))
    target = prepared(project())
    assert target.groups == {}
    assert "group" not in pd.read_parquet(target.splits["test"].path)


def test_a_version_added_without_the_column_is_an_error_that_says_so(project):
    add("visits.csv", project())
    with pytest.raises(DataError, match=r"data.columns.group: unknown kept column 'patient'.*it was added without it"):
        prepared(project(group="patient"))


def test_a_file_without_the_column_is_refused_with_the_nearest_name(project):
    with pytest.raises(DataError, match=r"data.columns.group: unknown column 'patent'.*'patient'\? \(--set data.columns.group="):
        read_dataset("visits.csv", data=project(group="patent"))


def test_a_folder_of_images_has_no_groups_and_says_how_to_do_without(tmp_path, data_params):
    data = data_params(modality={"name": "image", "side": 32}, columns={"group": "patient"})
    with pytest.raises(DataError, match=r"'patient' of \(data.columns.group\), found a folder .* or --set data.columns.group=null"):
        read_dataset(tmp_path, data=data)
