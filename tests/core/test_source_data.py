"""The rows of a source: of one data set, or of several."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from rootstock.errors import DataError
from rootstock.part import Rows
from rootstock.records import Dataset, DatasetRevision, RowsFile, sources_of
from rootstock.source_data import SourceData, find_source


def dataset(name, labels, rows):
    revision = DatasetRevision(dataset=name, revision=f"{name}/v1", git_sha="0" * 40, md5="0" * 32)
    return Dataset(
        name=name, modality="text", revision=revision, splits={"train": RowsFile(path=name, rows=rows, sha256=name)}, labels=labels,
        class_counts={}, licence=None, contamination=None,
    )  # fmt: skip


@dataclass
class Encoder:
    """Gives the rows that it is told of."""

    known: dict[str, Rows]
    asked: list[str] = field(default_factory=list)

    def rows(self, dataset, split):
        self.asked.append(f"{dataset.name} {split}")
        return self.known[dataset.name]


FILMS = dataset("films", ("bad", "good"), 3)
BOOKS = dataset("books", ("bad", "dull", "good"), 2)
ENCODER = {
    "films": Rows(["a", "b", "c"], np.array([0, 1, 1]), np.array([[1.0], [2.0], [3.0]])),
    "books": Rows(["d", "e"], np.array([1, 2]), np.array([[4.0], [5.0]])),
}


def test_one_data_set_is_what_it_is():
    source, encoder = SourceData((BOOKS,)), Encoder(ENCODER)
    assert (source.name, source.labels, source.row_count, source.sha256s) == ("books", BOOKS.labels, 2, ("books",))
    found = source.rows(encoder)
    assert (found.inputs, found.labels.tolist(), found.features.ravel().tolist()) == (["d", "e"], [1, 2], [4.0, 5.0])
    assert encoder.asked == ["books train"]


def test_labels_of_the_same_name_are_one_class_of_all():
    source = SourceData((FILMS, BOOKS))
    found = source.rows(Encoder(ENCODER))
    assert (source.name, source.labels, source.row_count) == ("films + books", ("bad", "dull", "good"), 5)
    assert [source.labels[index] for index in found.labels] == ["bad", "good", "good", "dull", "good"]
    assert (list(found.inputs), found.features.ravel().tolist()) == (list("abcde"), [1, 2, 3, 4, 5])


def test_the_rows_of_each_stay_as_they_are():
    before = {name: rows.labels.tolist() for name, rows in ENCODER.items()}
    SourceData((FILMS, BOOKS)).rows(Encoder(ENCODER))
    assert {name: rows.labels.tolist() for name, rows in ENCODER.items()} == before


def test_a_source_is_found_by_its_name():
    assert find_source("books + films", (FILMS, BOOKS)).datasets == (BOOKS, FILMS)


@pytest.mark.parametrize(("name", "said"), [("films + boks", "did you mean 'books'"), (None, "source")])
def test_one_that_is_not_there_is_named(name, said):
    with pytest.raises(DataError, match=said):
        find_source(name, (FILMS, BOOKS))


def test_no_source_stands_for_no_data_set():
    assert (sources_of(None), sources_of("films"), sources_of("a + b")) == ((), ("films",), ("a", "b"))
