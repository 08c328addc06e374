"""Dropout that costs little on a CPU: masks are slices of one long mask, drawn once, from a random place each time.

torch draws a random number for each element each time, a sixth of the time of fine-tuning with short texts on a CPU. Attention
without dropout of its weights is computed by one fused kernel instead of six operations; that dropout alone is left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cache
from typing import Any

#: Elements of the long mask, 16 MiB: some forty times what one batch of texts takes at once.
LENGTH = 2**22


@contextlib.contextmanager
def quick_dropout(model: Any) -> Iterator[None]:
    """Use it in the model while it is trained, where it runs on a CPU; afterwards the model is what it was."""
    import torch

    replaced: list[tuple[Any, str, Any]] = []
    rates: list[tuple[Any, float]] = []
    if next(model.parameters()).device.type == "cpu":
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if type(child) is not torch.nn.Dropout or child.p == 0:
                    continue
                if type(parent).__name__.endswith("SelfAttention"):  # only its rate is read, by the kernel
                    rates.append((child, child.p))
                    child.p = 0.0
                else:
                    replaced.append((parent, name, child))
                    parent._modules[name] = sliced_dropout(child.p)
    try:
        yield
    finally:
        for parent, name, child in replaced:
            child.train(parent.training)
            parent._modules[name] = child
        for child, rate in rates:
            child.p = rate


@cache
def _long_mask(rate: float, dtype: Any) -> Any:
    """(LENGTH,) zeros in a share of ``rate``, 1 / (1 - rate) elsewhere; always the same."""
    import torch

    kept = torch.rand(LENGTH, generator=torch.Generator().manual_seed(0)) >= rate
    return kept.float().div_(1 - rate).to(dtype)


def sliced_dropout(rate: float) -> Any:
    """A module that zeroes a share of ``rate`` and scales the rest so that the mean stays; torch's own for very large batches."""
    import torch

    class SlicedDropout(torch.nn.Module):
        """Masks are slices of one long mask."""

        p = rate  # attention may read it to hand it to a kernel, as ALBERT's and GPT-2's do

        def mask(self, values: Any) -> Any:
            """Of the shape of ``values``: what each is multiplied by."""
            count = values.numel()
            if count > LENGTH // 2:
                return torch.nn.functional.dropout(torch.ones_like(values), rate)
            start = int(torch.randint(LENGTH - count, ()))
            return _long_mask(rate, values.dtype)[start : start + count].view(values.shape)

        def forward(self, values: Any) -> Any:
            return values * self.mask(values) if self.training else values

    return SlicedDropout().train()
