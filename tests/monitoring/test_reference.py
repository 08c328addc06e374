from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rootstock.errors import DataError
from rootstock.files import sha256_of
from rootstock.monitoring.reference import KEY_FILE, ROWS_FILE, champion_reference, reference_rows
from rootstock.params import MonitoringParams
from rootstock.records import Dataset, DatasetRevision, RowsFile

Splits = Callable[..., Dataset]
LABELS = ("high", "low", "middle")


@pytest.fixture
def dataset(tmp_path: Path) -> Splits:
    def make(**splits: Sequence[str | None]) -> Dataset:
        files, counts = {}, {}
        for split, labels in splits.items():
            path = tmp_path / f"{split}.parquet"
            names = [f"{split}-{i}" for i in range(len(labels))]
            pd.DataFrame({"id": names, "input": names, "label": pd.Series(list(labels), dtype="str")}).to_parquet(path)
            files[split] = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(labels))
            counts[split] = {label: list(labels).count(label) for label in LABELS}
        revision = DatasetRevision(dataset="docs", revision="docs/v1", git_sha="0", md5="0")
        return Dataset(
            name="docs", modality="text", revision=revision, splits=files, labels=LABELS, class_counts=counts, contamination=None
        )

    return make


def of_patients(target: Dataset, **patients: Sequence[str]) -> Dataset:
    """The same rows, each of a patient."""
    files, groups = {}, {}
    for split, names in patients.items():
        path = Path(target.splits[split].path)
        pd.read_parquet(path).assign(group=list(names)).to_parquet(path)
        files[split] = RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=len(names))
        groups[split] = len(set(names))
    return target.model_copy(update={"splits": files, "groups": groups})


def test_of_each_patient_one_row_is_taken_and_none_of_those_that_were_learned_from(dataset: Splits) -> None:
    target = of_patients(
        dataset(train=["high"] * 20, test=["high"] * 40, unused=[""] * 30),
        train=["ann", "bob"] * 10, test=[f"p{n // 4}" for n in range(40)],
        unused=["ann"] * 10 + ["p3"] * 10 + [f"q{n}" for n in range(10)],
    )  # fmt: skip
    found = reference_rows(target, rows=100, seed=0)
    assert len(found) == 20
    places = found["id"].str.split("-", expand=True)
    tested = places[places[0] == "test"][1].astype(int)
    assert sorted(tested // 4) == list(range(10))
    assert set(places[places[0] == "unused"][1].astype(int)) == set(range(20, 30))


def test_where_every_patient_was_learned_from_other_rows_of_theirs_serve(dataset: Splits) -> None:
    names = [f"p{n}" for n in range(15)]
    target = of_patients(dataset(train=["high"] * 15, unused=[""] * 30), train=names, unused=names * 2)
    found = reference_rows(target, rows=100, seed=0)
    assert sorted(found["id"].str.removeprefix("unused-").astype(int) % 15) == list(range(15))


def test_too_few_patients_are_told_as_such(dataset: Splits) -> None:
    target = of_patients(dataset(train=["high"] * 9, test=["high"] * 30), train=["ann"] * 9, test=["bob", "cid"] * 15)
    with pytest.raises(DataError, match="at least 10 rows of different groups that were not trained on, found 2"):
        reference_rows(target, rows=100, seed=0)


def test_rows_that_were_trained_on_are_never_taken(dataset: Splits) -> None:
    target = dataset(train=["high"] * 50, test=["high"] * 20, unused=["high"] * 20)
    found = reference_rows(target, rows=100, seed=0)
    assert len(found) == 40
    assert not found["id"].str.startswith("train").any()


def test_test_rows_come_first_and_the_cap_holds(dataset: Splits) -> None:
    target = dataset(train=["high"] * 5, test=["high"] * 60, unused=["high"] * 60)
    found = reference_rows(target, rows=30, seed=0)
    assert len(found) == 30
    assert found["id"].str.startswith("test").all()
    assert not found.equals(reference_rows(target, rows=30, seed=1))
    assert found.equals(reference_rows(target, rows=30, seed=0))


def test_unused_rows_are_taken_in_the_proportions_before_training_rows_were_picked(dataset: Splits) -> None:
    train = ["high"] * 20 + ["low"] * 20  # of 80 high and 40 low: what is left is 60 to 20, not 2 to 1
    target = dataset(train=train, test=["high"] * 10, unused=["high"] * 60 + ["low"] * 20)
    found = reference_rows(target, rows=500, seed=0)
    unused = found[found["id"].str.startswith("unused")]["id"].str.removeprefix("unused-").astype(int)
    assert ((unused < 60).sum(), (unused >= 60).sum()) == (40, 20)


@pytest.mark.parametrize("blank", [None, ""], ids=["null", "empty"])  # empty is how the prepared files say it
def test_unlabelled_unused_rows_may_serve_when_all_labelled_ones_were_trained_on(dataset: Splits, blank: str | None) -> None:
    target = dataset(train=["high"] * 5, test=["high"] * 4, unused=[blank] * 30)
    assert len(reference_rows(target, rows=20, seed=0)) == 20


def test_too_few_rows_are_refused(dataset: Splits) -> None:
    with pytest.raises(DataError, match="at least 10 rows that were not trained on, found 4"):
        reference_rows(dataset(train=["high"] * 50, test=["high"] * 4), rows=100, seed=0)


def test_a_reference_is_scored_once_and_again_when_what_it_came_from_changes(
    dataset: Splits, monitoring: Callable[..., MonitoringParams], classifier: Any, tmp_path: Path
) -> None:
    target, folder = dataset(train=["high"] * 5, test=["high"] * 60), tmp_path / "reference"

    def ask(rows: int, seed: int = 0) -> pd.DataFrame:
        params = monitoring(reference_rows=rows)
        return champion_reference(lambda: classifier, target, version="3", monitoring=params, seed=seed, folder=folder)

    first, again = ask(50), ask(50)
    assert classifier.asked == 1
    assert list(first["id"]) == list(again["id"])
    assert len(ask(40)) == 40
    assert classifier.asked == 2


@pytest.mark.parametrize("name", [ROWS_FILE, KEY_FILE])
@pytest.mark.parametrize("found", [None, b"", b"{"], ids=["gone", "empty", "damaged"])
def test_a_reference_of_which_a_file_is_gone_or_damaged_is_made_again(
    dataset: Splits, monitoring: Callable[..., MonitoringParams], classifier: Any, tmp_path: Path, name: str, found: bytes | None
) -> None:
    target, folder = dataset(train=["high"] * 5, test=["high"] * 60), tmp_path / "reference"

    def ask() -> pd.DataFrame:
        return champion_reference(
            lambda: classifier, target, version="3", monitoring=monitoring(reference_rows=50), seed=0, folder=folder
        )

    ask()
    (folder / name).unlink()
    if found is not None:
        (folder / name).write_bytes(found)
    assert len(ask()) == 50
    assert classifier.asked == 2
    ask()
    assert classifier.asked == 2
