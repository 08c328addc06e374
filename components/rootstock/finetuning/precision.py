"""bfloat16 while a model learns: its frozen weights on a CPU that multiplies it faster, its products on a GPU that knows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from rootstock import processes

#: Rows of the matrices that are timed: a batch of short texts, or of a few images.
ROWS, REPEATS = 256, 20
#: A gain below this is not worth the rounding.
WORTH = 1.3


@cache
def bfloat16_pays(width: int) -> bool:
    """Whether this machine multiplies matrices of this width at least 1.3 times faster in bfloat16 than in float32.

    Measured once a process, in turns: the fastest of several products each, as machines are busy. Many CPUs emulate it, slowly.
    """
    import torch

    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    pairs = {dtype: (torch.ones(ROWS, width, dtype=dtype), torch.ones(width, 4 * width, dtype=dtype)) for dtype in best}
    with torch.inference_mode():
        for _ in range(REPEATS):
            for dtype, (rows, weight) in pairs.items():
                started = time.perf_counter()
                torch.mm(rows, weight)
                best[dtype] = min(best[dtype], time.perf_counter() - started)
    return processes.agreed(best[torch.float32] > WORTH * best[torch.bfloat16])


def forward_in_bfloat16(device: str, *, wanted: bool) -> contextlib.AbstractContextManager[Any]:
    """What a training's forward pass runs under on a device of this type: autocast on a GPU that knows bfloat16, else nothing.

    Weights, their gradients and the optimizer stay in single precision.
    """
    import torch

    if wanted and device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast(device, dtype=torch.bfloat16)
    return contextlib.nullcontext()


@contextlib.contextmanager
def frozen_in_bfloat16(model: Any, *, wanted: bool) -> Iterator[None]:
    """Hold what takes no gradient in bfloat16; afterwards it is what it was, to the last bit."""
    import torch

    kept: list[tuple[Any, Any]] = []
    if wanted:
        frozen = (parameter for parameter in model.parameters() if not parameter.requires_grad)
        for tensor in (*frozen, *model.buffers()):
            if tensor.dtype == torch.float32:
                kept.append((tensor, tensor.data))
                tensor.data = tensor.data.bfloat16()
    try:
        yield
    finally:
        for tensor, data in kept:
            tensor.data = data
