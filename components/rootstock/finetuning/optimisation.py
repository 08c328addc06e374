"""How weights are stepped: AdamW, with the rate warmed up and brought down to zero in a straight line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import AdamW
    from torch.optim.lr_scheduler import LambdaLR

#: Devices on which one kernel steps all parameters.
FUSED = ("cpu", "cuda")


@dataclass(frozen=True)
class Optimisation:
    """How to step."""

    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    batch_rows: int
    epochs: int
    """of the schedule: the rate falls to zero at its end"""
    stop_after: int
    """epochs really trained, at most ``epochs``"""
    warmup_share: float
    seed: int
    label_smoothing: float
    balanced: bool
    """whether each class counts the same, however many rows it has"""
    patience: int | None
    """epochs without a lower held-out loss after which training ends, at the weights of the lowest; None never ends early"""


@dataclass(frozen=True)
class Group:
    """Parameters of the encoder that are trained alike."""

    parameters: tuple[Any, ...]
    rate: float = 1.0
    """times the learning rate"""
    from_epoch: int = 0
    """frozen before"""


def new_optimizer(groups: Sequence[Group], layer: Any, optimisation: Optimisation) -> AdamW:
    """AdamW over the groups of the encoder, and the head's ``layer`` at its own rate."""
    import torch

    return torch.optim.AdamW(
        [
            *({"params": list(group.parameters), "lr": optimisation.learning_rate * group.rate} for group in groups),
            {"params": list(layer.parameters()), "lr": optimisation.head_learning_rate},
        ],
        weight_decay=optimisation.weight_decay,
        fused=layer.weight.device.type in FUSED,
    )


def new_schedule(optimizer: AdamW, optimisation: Optimisation, *, rows: int) -> LambdaLR:
    """The rate of each step, for training on so many rows."""
    import torch

    steps = math.ceil(rows / optimisation.batch_rows) * optimisation.epochs
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps, optimisation.warmup_share))


def rate(step: int, steps: int, warmup_share: float) -> float:
    """Linear warm-up, then linear decay to zero; a share of the peak rate."""
    warmup = max(1, round(steps * warmup_share))
    return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
