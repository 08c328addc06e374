"""Inputs that are made when they are asked for: changed photographs of a whole data set would not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rootstock.pictures import is_large
from rootstock.threads import in_threads


class OnDemand(Sequence[Any]):
    """n inputs of which each is made anew whenever it is asked for, so ``make`` has to give the same for the same row."""

    def __init__(self, make: Callable[[int], Any], rows: int) -> None:
        self._make, self._rows = make, range(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: Any) -> Any:
        found = self._rows[row]
        return [self._make(each) for each in found] if isinstance(row, slice) else self._make(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def side_by_side(self, rows: Iterable[int]) -> list[Any]:
        """Some of them, by as many threads as PyTorch uses where the first is large: handing on a small one takes longer."""
        import torch

        found: list[Any] = []
        left = iter(rows)
        for first in left:
            found.append(self[first])
            threads = torch.get_num_threads() if is_large(found[0]) else 1
            found.extend(in_threads(self.__getitem__, left, threads=threads))
        return found


def chosen(inputs: Sequence[Any], rows: Iterable[int]) -> list[Any]:
    """The inputs of these rows."""
    return inputs.side_by_side(rows) if isinstance(inputs, OnDemand) else [inputs[row] for row in rows]
