"""Processes that train together on one machine: each takes its share of every batch, and all hold the same weights.

They are started by ``accelerate launch`` and run the same code on the same rows. What a clock, the disk or the speed of the machine
decides would lead them apart, and they would wait for each other for ever: such answers are the first one's (``agreed``). In a
process of its own all of this does nothing, and ``accelerate`` is not imported.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

#: One may compute alone for long while the others wait; a process that is gone is noticed by who started them.
PATIENCE = datetime.timedelta(days=7)

_joined: list[Any] = []


def join() -> None:
    """Meet the others, as the environment that ``accelerate launch`` sets says: over NCCL with a GPU each, else over gloo.

    From here on this process's GPU is the one that ``backbone.device`` names.
    """
    import torch
    from accelerate import PartialState

    _joined.append(PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE))


def leave() -> None:
    """Part from the others."""
    _joined.pop().destroy_process_group()


def count() -> int:
    """How many train together; 1 in a process of its own."""
    return int(_joined[-1].num_processes) if _joined else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return int(_joined[-1].process_index) if _joined else 0


def is_first() -> bool:
    """Whether this is the one that speaks and writes for all."""
    return rank() == 0


def share(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """This process's part of a batch: every n-th row, so that long and short ones are shared alike. Perhaps none of a small one."""
    return indices[rank() :: count()]


def agreed(value: T) -> T:
    """The first one's value, for all; anything that can be pickled."""
    if count() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    answer: T = broadcast_object_list([value])[0]
    return answer


def gathered(value: T) -> list[T]:
    """The value of each, by rank; all wait for the last."""
    if count() == 1:
        return [value]
    from accelerate.utils import gather_object

    found: list[T] = gather_object([value])
    return found


def wait() -> None:
    """Until all have come here."""
    if count() > 1:
        _joined[-1].wait_for_everyone()


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """The first one goes through the block before the others: what it keeps on disk they find there."""
    with _joined[-1].main_process_first() if count() > 1 else contextlib.nullcontext():
        yield


def own_seed(seed: int, *more: int) -> int:
    """A seed that differs from rank to rank; the first one's is ``seed`` itself, unless ``more`` is to tell it from that."""
    import numpy as np

    if rank() == 0 and not more:
        return seed
    return int(np.random.SeedSequence((seed, rank(), *more)).generate_state(1)[0])


def equalise(tensors: Sequence[Any]) -> None:
    """Copy the first one's values into these, on all."""
    if count() > 1:
        from accelerate.utils import broadcast

        broadcast(list(tensors))
