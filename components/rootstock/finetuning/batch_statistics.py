"""Batch normalisation while a backbone is fine-tuned: which statistics it goes by.

A batch that is computed in pieces, for want of memory or by several processes, is normalised piece by piece. Running statistics
move with every piece in one process, and by the mean of the processes' movements in several.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def normalisations(model: Any) -> list[Any]:
    """The model's layers that keep running statistics of batches."""
    from torch.nn.modules.batchnorm import _BatchNorm

    return [part for part in model.modules() if isinstance(part, _BatchNorm)]


def set_statistics(parts: Iterable[Any], *, rows: int) -> None:
    """Let a normalisation learn from a batch of ``rows`` where its own weights are trained; otherwise it stays what it was.

    A frozen layer whose statistics move is not frozen: an adapter that was trained beside it is saved without them, and would
    answer otherwise when it is loaded. Of a single row there are no statistics.
    """
    for part in parts:
        part.train(rows > 1 and _is_trained(part))


def running_statistics(parts: Iterable[Any]) -> list[Any]:
    """The tensors that normalisations learn from batches, of those whose own weights are trained."""
    return [tensor for part in parts if _is_trained(part) for tensor in part.buffers(recurse=False)]


def _is_trained(part: Any) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters(recurse=False))
