"""A linear layer whose weight and bias stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from rootstock.finetuning.frozen_matrix import FrozenMatrix, Room


def is_frozen_linear(module: Any) -> bool:
    """Whether it is torch's own linear layer, in single precision, with nothing in it to train."""
    import torch

    return type(module) is torch.nn.Linear and in_single_precision(module.weight) and not is_trained(module)


def is_trained(module: Any) -> bool:
    """Whether any of its parameters takes a gradient."""
    return any(parameter.requires_grad for parameter in module.parameters())


def in_single_precision(*tensors: Any) -> bool:
    """Whether all of them are float32."""
    import torch

    return all(tensor.dtype == torch.float32 for tensor in tensors)


def linear_forward(module: Any, room: Room) -> Callable[..., Any]:
    """What ``module.forward`` computes while it is trained."""
    own, matrix = module.forward, FrozenMatrix(module.weight, module.bias, room)

    def forward(values: Any) -> Any:
        if not module.training or not in_single_precision(values):
            return own(values)
        return _product()(values.reshape(-1, values.shape[-1]), matrix).view(*values.shape[:-1], -1)

    return forward


@cache
def _product() -> Any:
    import torch

    class FrozenProduct(torch.autograd.Function):
        """W x + b, with the gradient of x."""

        @staticmethod
        def forward(ctx: Any, rows: Any, matrix: FrozenMatrix) -> Any:
            ctx.matrix = matrix
            return matrix.forward(rows)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            return ctx.matrix.backward(gradients[0]), None

    return FrozenProduct.apply
