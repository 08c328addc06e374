"""Gradients of a batch whose rows were shared among processes: their sum over all, in one exchange a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def sum_gradients(parameters: Sequence[Any], numbers: Sequence[float], *, statistics: Sequence[Any], moved: bool) -> list[float]:
    """Leave the sum of all processes' gradients with the parameters; gives the sums of ``numbers``, in single precision.

    A process without rows has no gradients, and adds zeros. A parameter that nobody has a gradient of keeps none: the optimizer
    leaves it alone then, as it does in one process. ``statistics`` are tensors that become their mean over the processes in which
    they ``moved``; where they did in none, they stay.
    """
    import torch
    from accelerate.utils import reduce

    marks = [*(float(parameter.grad is not None) for parameter in parameters), float(moved), *numbers]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    means = [tensor * float(moved) for tensor in statistics]
    head = torch.tensor(marks, dtype=torch.float32, device=parameters[0].device)
    flat = reduce(torch.cat([head, *(tensor.detach().reshape(-1).float() for tensor in (*gradients, *means))]), "sum")
    sizes = [len(marks), *(tensor.numel() for tensor in (*gradients, *means))]
    head, *sums = flat.split(sizes)
    told: list[float] = head.tolist()
    for parameter, has_one, summed in zip(parameters, told, sums, strict=False):
        parameter.grad = summed.to(parameter.dtype).view_as(parameter).clone() if has_one else None
    movers = told[len(parameters)]
    if movers:
        for tensor, summed in zip(statistics, sums[len(parameters) :], strict=True):
            tensor.copy_((summed / movers).view_as(tensor))
    return told[len(parameters) + 1 :]
