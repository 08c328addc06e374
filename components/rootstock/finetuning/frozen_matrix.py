"""Products with a weight that stays as it is, on a CPU: it is packed once, as the library would pack it anew for every product.

A matrix library first copies a weight into the order in which its inner loop reads it. For batches of short texts that copy is a
tenth of the product's time. MKL can keep it (``cblas_sgemm_pack``), and torch gives access to that for its own compiler. Where it
is not there, in another precision, or past ``MOST_BYTES``, products are the usual ones.
"""

from __future__ import annotations

from functools import cache
from typing import Any

#: Held packed at most, of all weights of a model in both directions; further ones are multiplied in the usual way.
MOST_BYTES = 192 * 2**20
#: Rows that a weight is packed for; it serves other numbers of rows as well, which is checked for each.
ROWS_MEANT = 256
#: Rows of a product that are checked, from first to last.
CHECKED = 8
TOLERANCE = 1e-4


class Room:
    """What is left of the bytes for packed weights."""

    def __init__(self, bytes_left: int = MOST_BYTES) -> None:
        self.bytes_left = bytes_left

    def take(self, wanted: int) -> bool:
        """Whether there was room for so many."""
        if wanted > self.bytes_left:
            return False
        self.bytes_left -= wanted
        return True


class FrozenMatrix:
    """A weight (out, in) and a bias (out,) or None, in single precision, that do not change."""

    def __init__(self, weight: Any, bias: Any | None, room: Room) -> None:
        self.weight, self.bias = weight, bias
        self._room = room
        self._packed: dict[bool, Any] = {}

    def forward(self, rows: Any) -> Any:
        """(n, out) W x + b of rows (n, in)."""
        import torch

        found = self._product(rows, self.weight, self.bias, backward=False)
        if found is not None:
            return found
        found = torch.mm(rows, self.weight.t())
        return found if self.bias is None else found.add_(self.bias)  # linear() would copy the bias into each row first

    def backward(self, gradients: Any) -> Any:
        """(n, in) of gradients (n, out)."""
        import torch

        found = self._product(gradients, self.weight.t(), None, backward=True)
        return torch.mm(gradients, self.weight) if found is None else found

    def _product(self, rows: Any, weight: Any, bias: Any | None, *, backward: bool) -> Any | None:
        import torch

        count = len(rows)
        if not rows.is_contiguous() or not _holds.get((*weight.shape, count), True):
            return None
        if backward not in self._packed:
            wanted = can_pack() and self._room.take(weight.numel() * weight.element_size())
            self._packed[backward] = torch.ops.mkl._mkl_reorder_linear_weight(weight.contiguous(), ROWS_MEANT) if wanted else None
        packed = self._packed[backward]
        if packed is None:
            return None
        found = _packed_product(rows, packed, weight, bias)
        if (*weight.shape, count) not in _holds:
            some = torch.linspace(0, count - 1, CHECKED).long()
            expected = torch.nn.functional.linear(rows[some], weight, bias)
            close = bool((found[some] - expected).abs().max() <= TOLERANCE * expected.abs().max())
            _holds[(*weight.shape, count)] = close
            return found if close else None
        return found


def _packed_product(rows: Any, packed: Any, weight: Any, bias: Any | None) -> Any:
    import torch

    return torch.ops.mkl._mkl_linear(rows, packed, weight, bias, len(rows))


#: (out, in, rows) -> whether the product with a packed weight was right.
_holds: dict[tuple[int, ...], bool] = {}


@cache
def can_pack() -> bool:
    """Whether this torch and this processor can."""
    import torch

    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):  # type: ignore[no-untyped-call]
        return False
    weight = torch.ones(3, 4)
    try:
        _packed_product(torch.ones(2, 4), torch.ops.mkl._mkl_reorder_linear_weight(weight, 2), weight, None)
    except (AttributeError, RuntimeError):
        return False
    return True
