"""Which labelled rows candidates are scored on."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rootstock.classifier import input_hash
from rootstock.part import Rows
from rootstock.similarity.score import rows_to_score

NOBODY = SimpleNamespace(model=None, earlier=())


def rows(*counts: int) -> tuple[SimpleNamespace, Rows]:
    """A target with so many rows of each class, and its rows."""
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = np.random.default_rng(0).permutation(labels)
    inputs = [f"text {row} of class {label}" for row, label in enumerate(labels)]
    target = SimpleNamespace(target=SimpleNamespace(labels=tuple("abcdef"[: len(counts)])))
    return target, Rows(inputs, labels, np.zeros((len(labels), 0)))


def test_few_rows_are_all_scored_on():
    target, everything = rows(30, 10)
    kept, refused = rows_to_score(target, everything, NOBODY, most=40)
    assert sorted(kept) == list(range(40))
    assert refused == {}


@pytest.mark.parametrize("most", [10, 100, 333])
def test_of_many_rows_each_class_keeps_its_share(most):
    target, everything = rows(600, 300, 100)
    kept, _ = rows_to_score(target, everything, NOBODY, most=most)
    assert len(set(kept)) == len(kept)
    assert abs(len(kept) - most) <= 3
    counts = np.bincount(everything.labels[kept])
    assert np.abs(counts - most * np.array([0.6, 0.3, 0.1])).max() <= 1.5


def test_a_rare_class_keeps_two_rows():
    target, everything = rows(1000, 3, 2)
    kept, _ = rows_to_score(target, everything, NOBODY, most=50)
    assert np.bincount(everything.labels[kept]).tolist() == [50, 2, 2]


def test_the_same_rows_are_scored_on_in_whatever_order_they_come():
    target, everything = rows(200, 100)
    kept, _ = rows_to_score(target, everything, NOBODY, most=60)
    order = np.random.default_rng(1).permutation(300)
    shuffled = Rows([everything.inputs[row] for row in order], everything.labels[order], everything.features[order])
    again, _ = rows_to_score(target, shuffled, NOBODY, most=60)
    assert [shuffled.inputs[row] for row in again] == [everything.inputs[row] for row in kept]


def test_rows_stay_as_they_are():
    target, everything = rows(20, 20)
    before = list(everything.inputs), everything.labels.copy()
    rows_to_score(target, everything, NOBODY, most=10)
    assert everything.inputs == before[0]
    assert (everything.labels == before[1]).all()


def test_a_version_is_scored_on_rows_of_whose_group_it_has_learned_nothing(tmp_path):
    target, everything = rows(6, 6)
    everything = replace(everything, groups=np.arange(12) // 2)
    (tmp_path / "training_rows.json").write_text(json.dumps([input_hash(everything.inputs[0])]))
    champion = SimpleNamespace(model=SimpleNamespace(path=str(tmp_path)), earlier=())
    kept, refused = rows_to_score(target, everything, champion, most=40)
    assert (sorted(kept), refused) == (list(range(2, 12)), {})
