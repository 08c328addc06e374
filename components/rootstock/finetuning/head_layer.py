"""The linear head as a layer that is trained, on features of unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.finetuning.crossvalidate import take
from rootstock.head import Head, scaled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder
    from rootstock.part import Rows


def as_layer(head: Head, where: Any) -> Any:
    """A torch layer with the head's weights, on a device."""
    import torch

    layer = torch.nn.Linear(head.weight.shape[1], head.weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weight))
        layer.bias.copy_(torch.from_numpy(head.bias))
    return layer.to(where)


def as_head(layer: Any) -> Head:
    """The head with the layer's weights."""
    weight, bias = (tensor.detach().double().cpu().numpy() for tensor in (layer.weight, layer.bias))
    return Head(weight, bias)


def scores(encoder: Encoder, layer: Any, tensors: dict[str, Any]) -> Any:
    """(n, c) of a batch of tensors, with gradients."""
    import torch

    return layer(torch.nn.functional.normalize(encoder.features(tensors).float(), dim=1))


def probabilities(encoder: Encoder, layer: Any, rows: Rows) -> NDArray[np.float64]:
    """(n, c) of rows, without gradients."""
    import numpy as np
    import torch

    embeddings = torch.from_numpy(scaled(encoder.embed(rows.inputs))).float().to(encoder.model.device)
    with torch.inference_mode():
        return np.asarray(layer(embeddings).softmax(dim=1).double().cpu().numpy())


def shared_probabilities(encoder: Encoder, layer: Any, rows: Rows) -> NDArray[np.float64]:
    """Like ``probabilities``, in processes that train together: each computes a share, and all get the same."""
    import numpy as np

    everything = np.arange(len(rows.labels))
    if processes.count() == 1 or len(everything) < processes.count():
        return processes.agreed(probabilities(encoder, layer, rows))
    mine = processes.share(everything)
    shares = processes.gathered(probabilities(encoder, layer, take(rows, mine)))
    found = np.empty((len(everything), shares[0].shape[1]))
    for rank, share in enumerate(shares):
        found[rank :: len(shares)] = share
    return found
