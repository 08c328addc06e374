"""The end of a transformer's block, norm(dropout(dense(x)) + y), as one node of the graph."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from rootstock.finetuning.frozen_linear import in_single_precision, is_frozen_linear, is_trained
from rootstock.finetuning.frozen_matrix import FrozenMatrix, Room

#: Rows of random numbers by which a block is recognised.
ROWS = 3


def is_residual_norm(module: Any) -> bool:
    """Whether it is frozen and computes norm(dropout(dense(x)) + y), told by what it gives for random numbers."""
    import torch

    parts = dict(module.named_children())
    if set(parts) != {"dense", "LayerNorm", "dropout"} or is_trained(module) or not hasattr(parts["dropout"], "mask"):
        return False
    dense, norm, dropout = parts["dense"], parts["LayerNorm"], parts["dropout"]
    if not is_frozen_linear(dense) or type(norm) is not torch.nn.LayerNorm:
        return False
    random = torch.Generator().manual_seed(0)
    rows, beside = (torch.rand(ROWS, size, generator=random) for size in (dense.in_features, dense.out_features))
    module._modules["dropout"] = torch.nn.Hardtanh(0.1, 0.2)  # it shows in the result, wherever it stands
    try:
        with torch.inference_mode():
            found, expected = module(rows, beside), norm(module.dropout(dense(rows)) + beside)
    except (TypeError, RuntimeError):  # it wants something else than two tensors of these sizes
        return False
    finally:
        module._modules["dropout"] = dropout
    return isinstance(found, torch.Tensor) and torch.equal(found, expected)


def residual_norm_forward(module: Any, room: Room) -> Callable[..., Any]:
    """What ``module.forward`` computes while it is trained."""
    own, norm = module.forward, module.LayerNorm
    matrix = FrozenMatrix(module.dense.weight, module.dense.bias, room)

    def forward(values: Any, beside: Any) -> Any:
        if not module.training or not in_single_precision(values, beside):
            return own(values, beside)
        rows, others = (each.reshape(-1, each.shape[-1]) for each in (values, beside))
        return _product_and_norm()(rows, others, matrix, module.dropout.mask(others), norm).view(beside.shape)

    return forward


@cache
def _product_and_norm() -> Any:
    import torch

    class ProductAndNorm(torch.autograd.Function):
        """norm(m * (W x + b) + y), with gradients of x and y."""

        @staticmethod
        def forward(ctx: Any, rows: Any, beside: Any, matrix: FrozenMatrix, mask: Any, norm: Any) -> Any:
            summed = matrix.forward(rows).mul_(mask).add_(beside)
            found, mean, inverse = torch.native_layer_norm(summed, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
            ctx.save_for_backward(summed, mean, inverse)
            ctx.matrix, ctx.mask, ctx.norm = matrix, mask, norm
            return found

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            norm, (summed, mean, inverse) = ctx.norm, ctx.saved_tensors
            of_sum, _, _ = torch.ops.aten.native_layer_norm_backward(
                gradients[0].contiguous(),
                summed,
                norm.normalized_shape,
                mean,
                inverse,
                norm.weight,
                norm.bias,
                [True, False, False],
            )
            of_rows = ctx.matrix.backward(of_sum * ctx.mask) if ctx.needs_input_grad[0] else None
            return of_rows, of_sum, None, None, None

    return ProductAndNorm.apply
