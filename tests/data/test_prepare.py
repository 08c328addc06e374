"""The two data stages together: pinned revisions in, Parquet files a split out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rootstock.data import registry
from rootstock.data.card import make_card
from rootstock.data.prepare import prepare
from rootstock.data.resolve import resolve
from rootstock.data.rows import make_frame
from rootstock.errors import DataError, ParamsError


def put(name: str, labels: dict[str, int], *, start: int = 0):
    texts = [f"{name} {label} {start + n}" for label, rows in labels.items() for n in range(rows)]
    frame = make_frame(texts, [label for label, rows in labels.items() for _ in range(rows)])
    return registry.add(Path("data"), name, frame, card=make_card(frame, modality="text", origin="a test"))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        put("films", {"a": 40, "b": 20, "c": 10})
        put("books", {"a": 30, "b": 30})
        put("films", {"a": 50, "b": 30, "c": 10})
    return folder


@pytest.fixture
def params(project, data_params, monkeypatch):
    monkeypatch.chdir(project)

    def make(**changes):
        settings = {"registry": "data", "target": "films", "sources": ["books"], "source_rows": 20, "labelled_rows_per_class": 4}
        return data_params(**(settings | changes))

    return make


def run(data, folder: str, seed: int = 0):
    resolution = resolve(data=data, workspace=".rootstock", folder=Path(folder))
    return prepare(resolution, data=data, seed=seed, folder=Path(folder))


def test_latest_is_pinned_to_the_newest_version(params):
    resolution = resolve(data=params(), workspace=".rootstock", folder=Path("none"))
    assert resolution.target.revision == "films/v2"
    assert [source.revision for source in resolution.sources] == ["books/v1"]
    assert not Path("none").exists()


def test_a_named_revision_is_used(params):
    assert run(params(revision="films/v1"), "named").target.class_counts["unused"]["a"] < 20


def test_files_hold_what_the_record_says(params):
    prepared = run(params(), "files")
    assert prepared.damage() == ()
    for dataset in (prepared.target, *prepared.sources):
        for name, file in dataset.splits.items():
            rows = pd.read_parquet(file.path)
            assert list(rows.columns) == ["id", "input", "label"]
            assert len(rows) == file.rows == sum(dataset.class_counts[name].values())
    assert prepared.target.labels == ("a", "b", "c")
    assert prepared.target.class_counts["train"] == {"a": 4, "b": 4, "c": 4}
    assert prepared.target.class_counts["test"] == {"a": 25, "b": 15, "c": 5}
    assert prepared.sources[0].class_counts == {"train": {"a": 10, "b": 10}}


def test_no_row_stands_in_two_splits(params):
    files = run(params(), "disjoint").target.splits.values()
    ids = [row for file in files for row in pd.read_parquet(file.path)["id"]]
    assert len(ids) == len(set(ids)) == 90


def test_the_same_seed_writes_the_same_bytes(params):
    first, again, other = run(params(), "one"), run(params(), "two"), run(params(), "three", seed=1)
    assert first.sha256() == again.sha256()
    assert first.sha256() != other.sha256()


def test_only_the_wanted_labels_of_the_target_are_kept(params):
    prepared = run(params(labels=["a", "b"]), "labels")
    assert prepared.target.labels == ("a", "b")
    assert sum(sum(counts.values()) for counts in prepared.target.class_counts.values()) == 80


def test_an_unknown_label_names_the_known(params):
    with pytest.raises(DataError, match=r"unknown label of films/v2 'd'; known: a, b, c"):
        run(params(labels=["a", "d"]), "unknown")


def test_a_source_that_is_the_target(params):
    with pytest.raises(ParamsError, match="found 'films' in both"):
        run(params(sources=["books", "films"]), "same")


def test_a_source_named_twice(params):
    with pytest.raises(ParamsError, match="found 'books' 2 times"):
        run(params(sources=["books", "books"]), "twice")


def test_another_modality_is_refused(params):
    with pytest.raises(DataError, match=r"modality image.*found text"):
        run(params(modality={"name": "image", "side": 32}), "modality")


def test_a_label_with_test_rows_only(params):
    frame = make_frame(["1", "2", "3", "4"], ["a", "a", "b", "c"], splits=["train", "train", "train", "test"])
    registry.add(Path("data"), "odd", frame, card=make_card(frame, modality="text", origin="a test"))
    with pytest.raises(DataError, match="none of 'c' in train"):
        run(params(target="odd"), "odd")
