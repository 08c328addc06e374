"""The one training loop."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootstock.errors import InputError
from rootstock.head import Head, scaled
from rootstock.part import Fitted, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.backbone import Encoder

#: Batches are cut from this many batches' worth of rows sorted by length: little padding, and still a random order.
SORTED_BATCHES = 16
GRADIENT_NORM = 1.0


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


def train(encoder: Encoder, rows: Rows, *, head: Head, heldout: Rows | None, optimisation: Optimisation, label: str) -> Fitted:
    """Train the encoder's parameters that require gradients, and a linear head on features of unit length.

    ``head`` is what the head starts from. Rows of ``heldout`` are predicted after every epoch.
    Raises InputError with the step and rate if the loss is no longer finite.
    """
    import torch
    from tqdm import tqdm

    torch.manual_seed(optimisation.seed)
    layer = _linear(head, encoder.model.device)
    body = [parameter for parameter in encoder.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": optimisation.learning_rate},
            {"params": list(layer.parameters()), "lr": optimisation.head_learning_rate},
        ],
        weight_decay=optimisation.weight_decay,
    )
    steps = math.ceil(len(rows.labels) / optimisation.batch_rows) * optimisation.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, optimisation.warmup_share))
    labels = torch.tensor(rows.labels, device=encoder.model.device)  # a copy: features and labels may be read-only
    losses: list[float] = []
    predicted: dict[float, NDArray[np.float64]] = {}
    with tqdm(
        total=optimisation.stop_after * len(rows.labels), desc=label, unit="row", disable=None, leave=False, file=sys.stderr
    ) as bar:
        for epoch in range(optimisation.stop_after):
            encoder.model.train()
            total = 0.0
            for step, indices in enumerate(_shuffled_batches(encoder, rows, optimisation, epoch)):
                tensors = encoder.modality.tensors([rows.inputs[i] for i in indices], encoder.processor)
                loss = torch.nn.functional.cross_entropy(_scores(encoder, layer, tensors), labels[indices])
                if not torch.isfinite(loss):
                    raise InputError(
                        f"{label}: the loss is {loss.item()} at step {step} of epoch {epoch + 1} with learning_rate "
                        f"{optimisation.learning_rate}; lower finetuning's learning_rate"
                    )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_([*body, *layer.parameters()], GRADIENT_NORM)
                optimizer.step()
                schedule.step()
                total += loss.item() * len(indices)
                bar.update(len(indices))
            losses.append(total / len(rows.labels))
            bar.set_postfix(loss=f"{losses[-1]:.3f}")
            if heldout is not None:
                predicted[float(epoch + 1)] = _probabilities(encoder, layer, heldout)
    encoder.model.eval()
    trainable = sum(parameter.numel() for parameter in [*body, *layer.parameters()])
    weight, bias = (tensor.detach().double().cpu().numpy() for tensor in (layer.weight, layer.bias))
    return Fitted(Head(weight, bias), encoder, predicted, tuple(losses), trainable)


def _linear(head: Head, where: Any) -> Any:
    import torch

    layer = torch.nn.Linear(head.weight.shape[1], head.weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        layer.bias.copy_(torch.from_numpy(head.bias))
    return layer.to(where)


def _rate(step: int, steps: int, warmup_share: float) -> float:
    """Linear warm-up, then linear decay to zero; a share of the peak rate."""
    warmup = max(1, round(steps * warmup_share))
    return min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))


def _shuffled_batches(encoder: Encoder, rows: Rows, optimisation: Optimisation, epoch: int) -> Iterator[NDArray[np.int64]]:
    import numpy as np

    random = np.random.default_rng((optimisation.seed, epoch))
    order = random.permutation(len(rows.labels))
    lengths = encoder.modality.lengths(rows.inputs)
    size = optimisation.batch_rows
    chunks = [order[i : i + size * SORTED_BATCHES] for i in range(0, len(order), size * SORTED_BATCHES)]
    cut = [chunk[np.argsort(lengths[chunk], kind="stable")][i : i + size] for chunk in chunks for i in range(0, len(chunk), size)]
    for place in random.permutation(len(cut)):
        yield cut[place]


def _scores(encoder: Encoder, layer: Any, tensors: dict[str, Any]) -> Any:
    import torch

    return layer(torch.nn.functional.normalize(encoder.features(tensors), dim=1))


def _probabilities(encoder: Encoder, layer: Any, rows: Rows) -> NDArray[np.float64]:
    import numpy as np
    import torch

    embeddings = torch.from_numpy(scaled(encoder.embed(rows.inputs))).float().to(encoder.model.device)
    with torch.inference_mode():
        return np.asarray(layer(embeddings).softmax(dim=1).double().cpu().numpy())
