"""Batches: every row once, of like length, another order every epoch."""

from __future__ import annotations

import numpy as np
import pytest
from rootstock.finetuning.batches import SORTED_BATCHES, shuffled_batches
from rootstock.finetuning.hidden_states import TokenStates
from rootstock.part import Rows

ROWS = 500


class Reader:
    modality, processor = TokenStates(), None


@pytest.fixture
def rows():
    lengths = np.random.default_rng(0).integers(3, 60, ROWS)
    return Rows([np.zeros((length, 2), np.float16) for length in lengths], np.zeros(ROWS, dtype=np.int64), np.zeros((ROWS, 0)))


def cut(rows, *, seed=1, epoch=0, batch_rows=4):
    return shuffled_batches(Reader(), rows, batch_rows=batch_rows, seed=seed, epoch=epoch)


@pytest.mark.parametrize("batch_rows", [1, 4, 7, 1000])
def test_every_row_is_in_one_batch(rows, batch_rows):
    found = cut(rows, batch_rows=batch_rows)
    assert sorted(np.concatenate(found).tolist()) == list(range(ROWS))
    assert max(map(len, found)) == min(batch_rows, ROWS)


def test_the_same_seed_and_epoch_give_the_same_batches(rows):
    assert all(np.array_equal(one, other) for one, other in zip(cut(rows), cut(rows), strict=True))


@pytest.mark.parametrize("other", [{"seed": 2}, {"epoch": 1}])
def test_another_seed_or_epoch_gives_others(rows, other):
    assert {tuple(batch) for batch in cut(rows)}.isdisjoint({tuple(batch) for batch in cut(rows, **other)})


def test_little_padding_is_computed(rows):
    lengths = np.array([len(row) for row in rows.inputs])
    padded = sum(len(batch) * lengths[batch].max() for batch in cut(rows))
    assert ROWS < 4 * SORTED_BATCHES
    assert padded < 1.03 * lengths.sum()
    at_random = np.random.default_rng(0).permutation(ROWS).reshape(-1, 4)
    assert sum(4 * lengths[batch].max() for batch in at_random) > 1.4 * lengths.sum()


def test_long_batches_come_at_any_time(rows):
    longest = np.array([max(len(rows.inputs[i]) for i in batch) for batch in cut(rows)])
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.3
