"""The share of rows that two sources have in common."""

from __future__ import annotations

import pandas as pd
import pytest
from rootstock.records import Dataset, RowsFile
from rootstock.similarity.shared_rows import share_of_rows


@pytest.fixture
def share(tmp_path):
    """Of texts by source."""

    def make(**texts):
        sources = []
        for name, inputs in texts.items():
            path = tmp_path / f"{name}.parquet"
            frame = pd.DataFrame({"id": [f"{name}-{i}" for i in range(len(inputs))], "input": inputs, "label": ["a"] * len(inputs)})
            frame.to_parquet(path)
            splits = {"train": RowsFile(path=path.as_posix(), sha256="0" * 64, rows=len(inputs))}
            sources.append(Dataset.model_construct(name=name, splits=splits))
        return share_of_rows(sources)

    return make


def test_it_is_that_of_the_smaller_one_whichever_comes_first(share):
    found = share(films=["a good film", "a bad film"], books=["A  good film", "x", "y", "z"])
    assert found("films", "books") == found("books", "films") == 0.5


def test_a_row_that_stands_twice_counts_once(share):
    assert share(films=["one", "one", "one", "two"], books=["one"])("films", "books") == 1.0
    assert share(films=["one", "one", "one", "two"], books=["two", "three"])("books", "films") == 0.5


def test_different_sources_share_nothing(share):
    assert share(films=["one"], books=["two"])("films", "books") == 0.0


def test_bytes_of_images_are_compared(share):
    assert share(films=[b"one", b"two"], books=[b"two"])("films", "books") == 1.0


def test_a_source_is_read_when_it_is_first_asked_about(share, tmp_path):
    found = share(films=["one"], books=["one"], toys=["one"])
    (tmp_path / "toys.parquet").unlink()
    assert found("films", "books") == 1.0
