"""Inputs that are made when they are asked for."""

from __future__ import annotations

import threading

import pytest
from rootstock.on_demand import OnDemand, chosen


@pytest.fixture
def made() -> list[int]:
    return []


@pytest.fixture
def squares(made) -> OnDemand:
    def make(row: int) -> int:
        made.append(row)
        return row * row

    return OnDemand(make, 100)


def test_nothing_is_made_before_it_is_asked_for(squares, made):
    assert len(squares) == 100
    assert (squares[3], squares[-1]) == (9, 99 * 99)
    assert made == [3, 99]


def test_it_reads_like_a_list(squares):
    assert squares == [row * row for row in range(100)]
    assert squares != [row * row for row in range(99)]
    assert squares[2:5] == [4, 9, 16]
    with pytest.raises(IndexError):
        squares[100]
    assert OnDemand(str, 0) == []


def test_a_batch_makes_its_own_rows_and_no_others(squares, made):
    assert chosen(squares, [5, 2, 7]) == [25, 4, 49]
    assert sorted(made) == [2, 5, 7]
    assert chosen(list("abc"), [2, 0]) == ["c", "a"]


@pytest.mark.parametrize(("size", "by_others"), [(10, False), (200_000, True)])
def test_large_ones_are_made_side_by_side_in_their_order(monkeypatch, size, by_others):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    seen = set()

    def make(row: int) -> bytes:
        seen.add(threading.get_ident())
        return bytes([row]) * size

    assert [each[0] for each in chosen(OnDemand(make, 50), range(49, -1, -1))] == list(range(49, -1, -1))
    assert (len(seen) > 1) == by_others
