"""Work of one process done side by side: worth it where a library lets go of the interpreter, as Pillow does while it decodes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

#: So many results a thread may wait to be taken: what is read ahead stays small.
AHEAD = 4


def in_threads(work: Callable[[Given], Made], items: Iterable[Given], *, threads: int) -> Iterator[Made]:
    """What ``work`` makes of each item, in their order, by so many threads; with one, by the caller's own.

    What it raises is raised where the result is taken, and nothing that has not begun is begun then.
    """
    if threads < 2:
        yield from map(work, items)
        return
    left = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Made]] = deque(pool.submit(work, item) for item in islice(left, threads * AHEAD))
        try:
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(left, 1))
                yield made
        finally:
            for future in waiting:
                future.cancel()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
