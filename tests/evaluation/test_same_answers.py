"""Whether a run that was gone through again gave the same answers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rootstock.errors import DataError
from rootstock.evaluation.same_answers import compare_answers
from rootstock.paired import pair_of, score_interval
from rootstock.records import Artifact


def kept(path: Path, predicted: list[str], *, probability: float = 0.9, first: int = 0) -> Artifact:
    n = len(predicted)
    frame = pd.DataFrame({"id": [f"r{i + first}" for i in range(n)], "label": ["a"] * n, "predicted:model": predicted})
    frame.assign(**{"probability:model": probability}).to_parquet(path)
    return Artifact.of(path)


def test_equal_answers_are_identical_whatever_the_order_of_the_rows(tmp_path):
    before = kept(tmp_path / "before", ["a", "b", "a", "b"])
    frame = pd.read_parquet(tmp_path / "before").iloc[::-1]
    frame.to_parquet(tmp_path / "again")
    found = compare_answers(before, Artifact.of(tmp_path / "again"), confidence=0.95)
    assert (found.identical, found.differing, found.differing_rows, found.largest_shift) == (True, 0, (), 0.0)


def test_another_label_is_counted_and_named_and_the_interval_is_that_of_the_gates(tmp_path):
    before = kept(tmp_path / "before", ["a"] * 50)
    again = kept(tmp_path / "again", ["a"] * 48 + ["b"] * 2, probability=0.8)
    found = compare_answers(before, again, confidence=0.95)
    assert (found.identical, found.differing, found.differing_rows) == (False, 2, ("r48", "r49"))
    right = pd.Series([True] * 48 + [False] * 2).to_numpy()
    low, high = score_interval(pair_of(right, pd.Series([True] * 50).to_numpy()), confidence=0.95)
    assert (found.difference.low, found.difference.high) == (low, high)
    assert found.within
    assert found.largest_shift == pytest.approx(0.1)


def test_a_difference_that_chance_does_not_explain_is_not_within(tmp_path):
    before = kept(tmp_path / "before", ["a"] * 100)
    worse = compare_answers(before, kept(tmp_path / "worse", ["b"] * 20 + ["a"] * 80), confidence=0.95)
    assert worse.difference.value == pytest.approx(-0.2)
    assert not worse.within
    better = compare_answers(kept(tmp_path / "b2", ["b"] * 20 + ["a"] * 80), before, confidence=0.95)
    assert not better.within


def test_changed_predictions_and_other_rows_are_errors_that_say_so(tmp_path):
    before = kept(tmp_path / "before", ["a"] * 4)
    with pytest.raises(DataError, match=r"expected the 4 rows of .*, found others: r0, r4"):
        compare_answers(before, kept(tmp_path / "again", ["a"] * 4, first=1), confidence=0.95)
    (tmp_path / "before").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"before was changed; restore them from a backup"):
        compare_answers(before, before, confidence=0.95)
