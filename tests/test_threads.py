"""Work done side by side."""

from __future__ import annotations

import threading
import time

import pytest
from rootstock.threads import AHEAD, cores, in_threads


def test_results_come_in_the_order_of_their_items_however_long_each_takes():
    def late_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert list(in_threads(late_first, range(50), threads=4)) == [item * item for item in range(50)]


def test_one_thread_is_the_callers_own():
    assert set(in_threads(lambda _: threading.get_ident(), range(5), threads=1)) == {threading.get_ident()}
    assert threading.get_ident() not in set(in_threads(lambda _: threading.get_ident(), range(5), threads=2))


def test_no_more_is_read_ahead_than_threads_can_soon_use():
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    results = in_threads(lambda item: item, items(), threads=2)
    assert next(results) == 0
    assert len(taken) <= 2 * AHEAD + 1


def test_what_is_raised_is_raised_in_its_place_and_what_has_not_begun_is_left():
    begun = []

    def fails(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError("the fourth")
        return item

    found = []
    with pytest.raises(ValueError, match="the fourth"):
        found.extend(in_threads(fails, range(1000), threads=2))
    assert len(begun) < 30


def test_no_items_give_nothing():
    assert list(in_threads(str, [], threads=3)) == []


def test_this_process_has_a_core():
    assert cores() >= 1
