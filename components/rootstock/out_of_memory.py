"""What does not fit into memory at once is computed in halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Made = TypeVar("Made")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says so, of a GPU or of the host."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)


def in_halves(compute: Callable[[NDArray[np.int64]], Made], rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Made]]:
    """(rows, what ``compute`` makes of them), of all at once, or of parts small enough for the memory, in order.

    Raises what ``compute`` raises for other reasons, and for a single row.
    """
    import numpy as np
    import torch

    try:
        made = compute(rows)
    except RuntimeError as error:
        if not is_out_of_memory(error) or len(rows) < 2:
            raise
    else:
        yield rows, made
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # pieces of the size that failed are of no use to smaller ones
    for half in np.array_split(rows, 2):
        yield from in_halves(compute, half)
