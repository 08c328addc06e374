"""A low-rank adapter beside a frozen linear layer, as one node of the graph."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from rootstock.finetuning.frozen_linear import in_single_precision, is_frozen_linear
from rootstock.finetuning.frozen_matrix import FrozenMatrix, Room


def is_plain_lora(module: Any) -> bool:
    """Whether it is peft's layer with one adapter of two matrices and dropout, without DoRA's norm or any other variant."""
    layers = sys.modules.get("peft.tuners.lora.layer")
    if layers is None or type(module) is not layers.Linear or len(module.active_adapters) != 1:
        return False
    [name] = module.active_adapters
    return (
        is_frozen_linear(module.base_layer)
        and name in module.lora_A
        and name not in module.lora_variant
        and module.lora_A[name].bias is None
        and module.lora_B[name].bias is None
        and hasattr(module.lora_dropout[name], "mask")
        and not module.fan_in_fan_out
    )


def lora_forward(module: Any, room: Room) -> Callable[..., Any]:
    """What ``module.forward`` computes while it is trained."""
    own = module.forward
    [name] = module.active_adapters
    matrix = FrozenMatrix(module.base_layer.weight, module.base_layer.bias, room)
    down, up = module.lora_A[name].weight, module.lora_B[name].weight
    mask_of, scaling = module.lora_dropout[name].mask, module.scaling[name]

    def forward(values: Any, *args: Any, **kwargs: Any) -> Any:
        plain = module.training and not (args or kwargs or module.disable_adapters or module.merged)
        if not plain or not in_single_precision(values, down, up):
            return own(values, *args, **kwargs)
        rows = values.reshape(-1, values.shape[-1])
        return _low_rank_product()(rows, matrix, down, up, mask_of(rows), scaling).view(*values.shape[:-1], -1)

    return forward


@cache
def _low_rank_product() -> Any:
    import torch

    class LowRankProduct(torch.autograd.Function):
        """W x + b + s B A (m * x), with gradients of x, A and B (Hu et al. 2022, eq. 3)."""

        @staticmethod
        def forward(ctx: Any, rows: Any, matrix: FrozenMatrix, down: Any, up: Any, mask: Any, scaling: float) -> Any:
            kept = rows * mask
            inner = torch.mm(kept, down.t())
            ctx.save_for_backward(kept, inner, down, up)
            ctx.matrix, ctx.mask, ctx.scaling = matrix, mask, scaling
            return matrix.forward(rows).addmm_(inner, up.t(), alpha=scaling)

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            kept, inner, down, up = ctx.saved_tensors
            [gradient] = gradients
            within = torch.mm(gradient, up).mul_(ctx.scaling)
            of_up = torch.mm(inner.t(), gradient).mul_(ctx.scaling).t()  # the long side in the middle is the quicker product
            of_down = torch.mm(within.t(), kept)
            of_rows = None
            if ctx.needs_input_grad[0]:
                of_rows = ctx.matrix.backward(gradient).addcmul_(torch.mm(within, down), ctx.mask)
            return of_rows, None, of_down, of_up, None, None

    return LowRankProduct.apply
