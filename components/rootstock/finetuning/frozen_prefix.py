"""The frozen prefix: what lies below the first trainable layer is computed once a row, not once an epoch."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rootstock.backbone import Encoder, batches
from rootstock.part import Modality, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Hidden states are kept in memory; above this they are computed anew instead.
LARGEST_BYTES = 2 * 2**30


@dataclass(frozen=True)
class HiddenStates:
    """Reads rows that are hidden states (tokens, d) already: stands where a modality stands."""

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """Padded states (n, longest, d) and their mask (n, longest)."""
        import torch

        states = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(rows).float() for rows in inputs], batch_first=True)
        lengths = torch.tensor([len(rows) for rows in inputs])
        return {"inputs_embeds": states, "attention_mask": (torch.arange(states.shape[1]) < lengths[:, None]).long()}

    def lengths(self, inputs: Sequence[Any]) -> NDArray[np.int64]:
        """Tokens of each row."""
        import numpy as np

        return np.fromiter((len(rows) for rows in inputs), dtype=np.int64, count=len(inputs))


def split_encoder(encoder: Encoder, below: int) -> tuple[Encoder, Encoder] | None:
    """The encoder as (prefix of ``below`` layers, the layers above it): what the prefix gives is what the suffix reads.

    Both share the encoder's own layers, so training the suffix trains the encoder. None where the architecture does not keep its
    layers as ``embeddings`` and ``encoder.layer`` (as BERT, RoBERTa and MiniLM do), or rows are read in another way than by tokens.
    """
    import torch

    model = encoder.model
    layers = getattr(getattr(model, "encoder", None), "layer", None)
    if not isinstance(layers, torch.nn.ModuleList) or not hasattr(model, "embeddings") or below < 1:
        return None
    if encoder.modality.name != "text" or getattr(model.config, "is_decoder", False):
        return None
    prefix, suffix = _with_layers(model, layers[:below]), _with_layers(model, layers[below:])
    suffix.embeddings = _AsGiven()
    suffix.pooler = prefix.pooler = None  # nothing reads it
    return (
        Encoder(prefix, encoder.processor, encoder.modality, encoder.pooling, encoder.batch_rows),
        Encoder(suffix, None, cast(Modality, HiddenStates()), encoder.pooling, encoder.batch_rows),
    )


def _with_layers(model: Any, layers: Any) -> Any:
    part, inner = copy.copy(model), copy.copy(model.encoder)
    part._modules, inner._modules = dict(model._modules), dict(model.encoder._modules)
    inner.layer, part.encoder = layers, inner
    return part


def _AsGiven() -> Any:  # noqa: N802 - torch must not be imported with this file
    import torch

    class AsGiven(torch.nn.Module):
        """Embeddings that were computed before."""

        def forward(self, *_: Any, inputs_embeds: Any, **__: Any) -> Any:
            return inputs_embeds

    return AsGiven()


def through_prefix(prefix: Encoder, rows: Rows, *, label: str) -> Rows | None:
    """The same rows with hidden states, in half precision, as inputs; None where they would not fit into memory."""
    import torch
    from tqdm import tqdm

    states: list[Any] = [None] * len(rows.inputs)
    size = 0
    prefix.model.eval()
    with torch.inference_mode(), tqdm(total=len(rows.inputs), desc=label, disable=None, leave=False, file=sys.stderr) as bar:
        for indices in batches(prefix.modality.lengths(rows.inputs), prefix.batch_rows):
            tensors = prefix.modality.tensors([rows.inputs[i] for i in indices], prefix.processor)
            tensors = {name: tensor.to(prefix.model.device) for name, tensor in tensors.items()}
            hidden = prefix.model(**tensors).last_hidden_state.half().cpu().numpy()
            for index, row, tokens in zip(indices, hidden, tensors["attention_mask"].sum(dim=1).tolist(), strict=True):
                states[index] = row[:tokens].copy()
                size += states[index].nbytes
            if size > LARGEST_BYTES:
                return None
            bar.update(len(indices))
    return Rows(states, rows.labels, rows.features)
