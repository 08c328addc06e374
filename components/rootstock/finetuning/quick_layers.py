"""Layers computed in fewer passes over memory on a CPU: the same values up to rounding, the same parameters, the same gradients.

Beside its matrix products, a step on short texts is a stream of small elementwise operations, each of which reads and writes what
the one before has just written. Here a low-rank adapter is one node of the graph instead of seven, dropout with the residual
connection and the norm behind it is one, and frozen weights are packed once. A layer that is not recognised keeps its own
``forward``; in evaluation mode every layer does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rootstock.finetuning.frozen_linear import is_frozen_linear, linear_forward
from rootstock.finetuning.frozen_matrix import Room
from rootstock.finetuning.plain_lora import is_plain_lora, lora_forward
from rootstock.finetuning.residual_norm import is_residual_norm, residual_norm_forward


@contextlib.contextmanager
def quick_layers(model: Any) -> Iterator[None]:
    """Use them in the model while it is trained, where it runs on a CPU in single precision; afterwards it has its own.

    What is trained must be settled before. Dropout must be ``sliced_dropout`` already.
    """
    changed: list[tuple[Any, Callable[..., Any]]] = []
    if next(model.parameters()).device.type == "cpu":
        room = Room()
        found = ((module, _forward_of(module, room)) for module in model.modules())
        changed = [(module, forward) for module, forward in found if forward is not None]
    for module, forward in changed:
        module.forward = forward
    try:
        yield
    finally:
        for module, _ in changed:
            del module.forward


def _forward_of(module: Any, room: Room) -> Callable[..., Any] | None:
    if is_frozen_linear(module):
        return linear_forward(module, room)
    if is_plain_lora(module):
        return lora_forward(module, room)
    if is_residual_norm(module):
        return residual_norm_forward(module, room)
    return None
