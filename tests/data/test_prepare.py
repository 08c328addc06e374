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
from rootstock.records import Contamination


def put(name: str, labels: dict[str, int], *, start: int = 0):
    # The number in words of its own: texts that differ in a number only are near copies of one another.
    texts = [" ".join(f"{name}{start + n}{label}{word}" for word in "xyz") for label, rows in labels.items() for n in range(rows)]
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
    frame = make_frame(
        ["1", "2", "3", "4", "5"], ["a", "a", "b", "c", "c"], splits=["train", "train", "train", "test", "validation"]
    )
    registry.add(Path("data"), "odd", frame, card=make_card(frame, modality="text", origin="a test"))
    with pytest.raises(
        DataError,
        match=r"^odd/v1 \(data/odd/rows\.parquet\): expected training rows of every label, found 'c' in 1 test row and 1 unused "
        r"row and in none to learn from; add training rows of 'c' with 'rootstock data add', or leave it out .* data\.labels$",
    ) as caught:
        run(params(target="odd"), "odd")
    assert "\n" not in str(caught.value)
    assert Path("data/odd/rows.parquet").is_file()


def put_rows(name: str, texts: list[str], labels: list[str], *, modality: str = "text", splits: list[str] | None = None, **card):
    frame = make_frame(texts, labels, splits=splits)
    registry.add(Path("data"), name, frame, card=make_card(frame, modality=modality, origin="a test") | card)


def test_splits_under_other_names_are_named_where_there_is_nothing_to_learn_from(params):
    put_rows("named", ["1", "2", "3", "4"], ["a", "b", "a", "b"], splits=["training", "training", "testing", "testing"])
    with pytest.raises(
        DataError, match=r"^named/v1: expected rows of split 'train' to learn from, found 'testing', 'training' in its"
    ):
        run(params(target="named"), "named")


@pytest.fixture
def test_texts(params) -> list[str]:
    return pd.read_parquet(run(params(), "for-its-test").target.splits["test"].path)["input"].tolist()


def test_copies_of_test_rows_are_dropped_from_a_source_and_counted(params, test_texts):
    own = pd.read_parquet(run(params(source_rows=None), "own").sources[0].splits["train"].path)
    copies = [test_texts[0].upper(), test_texts[1], test_texts[2] + " indeed"]
    put_rows("copied", [*own["input"], *copies], [*own["label"], "a", "b", "a"])
    (source,) = run(params(sources=["copied"], source_rows=None), "copied").sources
    assert (source.contamination.exact, source.contamination.near, len(source.contamination.rows)) == (2, 1, 3)
    kept = pd.read_parquet(source.splits["train"].path)
    assert sorted(kept["input"]) == sorted(own["input"])
    assert source.class_counts == {"train": {"a": 30, "b": 30}}


def test_copies_are_dropped_before_the_source_is_capped(params, test_texts):
    own = pd.read_parquet(run(params(source_rows=None), "own").sources[0].splits["train"].path)
    put_rows("half", [*own["input"], *test_texts], [*own["label"], *["a"] * len(test_texts)])
    (source,) = run(params(sources=["half"], source_rows=60), "half").sources
    assert source.contamination.exact == len(test_texts)
    assert source.splits["train"].rows == 60


def test_where_nothing_is_held_out_copies_of_the_labelled_rows_are_dropped(params):
    labelled = pd.read_parquet(run(params(test_fraction=None), "all").target.splits["train"].path)["input"].tolist()
    frame = make_frame([*labelled[:3], "seven words that stand nowhere else here", "and eight more of them, too"], list("aabba"))
    registry.add(Path("data"), "copies", frame, card=make_card(frame, modality="text", origin="a test"))
    found = run(params(test_fraction=None, sources=["copies"]), "all-copies").sources[0].contamination
    assert (found.exact, found.near) == (3, 0)


def test_an_untouched_source_says_so_and_the_target_has_no_such_record(params):
    prepared = run(params(), "untouched")
    assert prepared.sources[0].contamination == Contamination(exact=0, near=0, rows=())
    assert prepared.target.contamination is None


def test_copies_of_rows_that_the_target_learns_from_are_dropped_too_and_counted_apart(params):
    """They would tell a candidate's trial on those rows the answers."""
    own = pd.read_parquet(run(params(source_rows=None), "own").sources[0].splits["train"].path)
    rows = pd.read_parquet(run(params(), "train").target.splits["train"].path)["input"].tolist()
    copies = [*rows, f"{rows[0]} indeed"]
    put_rows("shares", [*own["input"], *copies], [*own["label"], *["a"] * len(copies)])
    (source,) = run(params(sources=["shares"], source_rows=None), "shares").sources
    found = source.contamination
    assert (found.exact, found.near, found.labelled, found.dropped) == (0, 0, 13, 13)
    assert sorted(pd.read_parquet(source.splits["train"].path)["input"]) == sorted(own["input"])


def test_a_source_says_of_how_many_rows_it_was_cut(params):
    cut, whole = (run(params(source_rows=rows), f"cut-{rows}").sources[0] for rows in (20, None))
    assert (cut.capped_from, cut.splits["train"].rows) == (60, 20)
    assert whole.capped_from is None


def test_sources_that_cannot_be_used_are_named_and_the_others_go_on(params, test_texts):
    put_rows("pictures", [b"one", b"two"], ["a", "b"], modality="image")
    put_rows("unlabelled", ["ape", "bee"], ["", ""], splits=["rest", "rest"])
    put_rows("empty", [], [])
    put_rows("single", ["ape", "bee"], ["a", "a"])
    put_rows("stolen", test_texts[:4], ["a", "b", "a", "b"])
    put_rows("left", [*test_texts[:2], "ape", "bee"], ["a", "a", "b", "b"])
    names = ["pictures", "unlabelled", "empty", "single", "books", "stolen", "left"]
    prepared = run(params(sources=names), "unusable")
    assert [source.name for source in prepared.sources] == ["books"]
    assert prepared.unusable_sources == {
        "pictures": "pictures/v1 holds data of modality image, the target is text",
        "unlabelled": "unlabelled/v1 has no labelled rows, only 2 without a label",
        "empty": "empty/v1 has no rows",
        "single": "single/v1 has one class only, 'a'; at least two are needed to learn from",
        "stolen": "all 4 labelled rows of stolen/v1 are copies of the target's rows",
        "left": "left/v1 has one class only, 'b' after 2 copies of the target's rows were dropped; "
        "at least two are needed to learn from",
    }


def test_a_source_that_is_not_in_the_registry_is_an_error_that_names_the_nearest(params):
    with pytest.raises(DataError, match=r"unknown dataset 'boks'.*did you mean 'books'"):
        run(params(sources=["boks"]), "misspelt")


def test_the_licence_comes_from_the_card_and_an_old_card_states_none(params):
    put_rows("stated", ["ape", "bee"], ["a", "b"], licence="MIT")
    frame = make_frame(["cow", "dog"], ["a", "b"])
    card = make_card(frame, modality="text", origin="a test")
    del card["licence"]
    registry.add(Path("data"), "old", frame, card=card)
    prepared = run(params(sources=["stated", "old"]), "licences")
    assert [source.licence for source in prepared.sources] == ["MIT", None]
