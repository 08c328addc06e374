"""What a loaded backbone makes of rows: batches of like length, and features pooled from its outputs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rootstock.errors import BackboneError, DataError, first_line
from rootstock.on_demand import chosen
from rootstock.out_of_memory import in_halves, is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.part import Modality

#: RoBERTa and its kin count positions from behind that of padding, 1.
POSITIONS_LOST = 2
#: Of the length of a text's features; rounding is a thousandth of that at most.
PADDING_TOLERANCE = 0.01


def pool(outputs: Any, attention_mask: Any | None, pooling: str) -> Any:
    """One vector a row, (n, d), from a backbone's outputs: the mean over real tokens or the image's map, or the first token.

    ConvNeXt normalises the mean of its map, and what it was trained with is that.
    """
    last, own = outputs.last_hidden_state, getattr(outputs, "pooler_output", None)
    if last.dim() == 4 and own is not None and own.dim() == 2:
        return own
    return _pooled(last, attention_mask, pooling)


def pool_layers(outputs: Any, attention_mask: Any | None, pooling: str) -> Any:
    """One vector a row, (n, d), pooled like ``pool`` from the mean over the outputs of all layers.

    The embedding layer before the first does not count: it does not read context. Where there are no layers of one shape (a
    convolutional network, outputs without hidden states), the last layer stands for all.
    """
    last, states = outputs.last_hidden_state, (getattr(outputs, "hidden_states", None) or ())[1:]
    if not states or last.dim() != 3 or any(state.shape != last.shape for state in states):
        return pool(outputs, attention_mask, pooling)
    return _pooled(sum(states[1:], start=states[0]) / len(states), attention_mask, pooling)


def _pooled(hidden: Any, attention_mask: Any | None, pooling: str) -> Any:
    if hidden.dim() == 4:
        return hidden.mean(dim=(2, 3))
    if pooling == "cls":
        return hidden[:, 0]
    if attention_mask is None:
        return hidden.mean(dim=1)
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def token_mask(config: Any, tensors: dict[str, Any], hidden: Any) -> Any | None:
    """Tokens that a mean counts, (n or 1, tokens); None where all do.

    Of texts those that are no padding; of images those that stand for a patch: a class token and registers, where a vision
    transformer has them, come first.
    """
    import torch

    pixels, patch = tensors.get("pixel_values"), getattr(config, "patch_size", None)
    if pixels is None or patch is None or hidden.dim() != 3:
        return tensors.get("attention_mask")
    high, wide = (patch, patch) if isinstance(patch, int) else patch
    special = hidden.shape[1] - (pixels.shape[-2] // high) * (pixels.shape[-1] // wide)
    if special <= 0:
        return None
    return (torch.arange(hidden.shape[1], device=hidden.device) >= special).long()[None]


def batches(lengths: NDArray[np.int64], rows: int, *, tokens: int | None) -> Iterator[NDArray[np.int64]]:
    """Row indices in batches of like length, so that little padding is computed: at most so many rows, and ``tokens`` with padding.

    A row that is longer than ``tokens`` is a batch by itself. The longest come first: what memory holds them holds the others,
    while growing batches would each ask for more, and what does not fit fails at once.
    """
    import numpy as np

    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        end = start + (rows if tokens is None else min(rows, max(1, tokens // longest)))
        yield order[start:end]
        start = end


def batch_tokens(device: str) -> int | None:
    """Tokens, with padding, of a batch that is only computed forwards on a device; None: as many as its rows have.

    A CPU is no faster with more: on one thread, with MiniLM and 256 tokens a row, 16,384 at once took 8% longer a token than 1,024,
    and 440 MiB more memory. And what a batch of training has left of the heap holds so many.
    """
    return 1024 if device == "cpu" else None


@dataclass(frozen=True)
class Features:
    """What a backbone makes of n inputs."""

    last: NDArray[np.float64]
    """(n, d) of the last layer, pooled"""
    layer_mean: NDArray[np.float64]
    """(n, d) mean over all layers, pooled"""


@dataclass(frozen=True)
class Encoder:
    """A loaded backbone with what it needs to read inputs."""

    model: Any
    processor: Any
    modality: Modality
    pooling: str
    batch_rows: int

    def features(self, tensors: dict[str, Any]) -> Any:
        """(n, d) pooled features of one batch of tensors, with gradients if they are on.

        Raises BackboneError if texts are longer than the backbone has positions for.
        """
        tensors = self._placed(tensors)
        outputs = self._outputs(tensors)
        return pool(outputs, self._mask(tensors, outputs), self.pooling)

    def embed(self, inputs: Sequence[Any], label: str = "embedding") -> NDArray[np.float64]:
        """(n, d) pooled features of n inputs; the same input gives the same row up to float rounding, whatever is beside it.

        A batch that does not fit into memory is computed in halves.

        Raises DataError if a feature is not finite, BackboneError if the backbone refuses the inputs' size.
        """
        return self._embed(inputs, label, lambda tensors: (self.features(tensors),))[0]

    def embed_layers(self, inputs: Sequence[Any], label: str = "embedding") -> Features:
        """Like ``embed``, with the mean over all layers from the same pass."""
        last, layer_mean = self._embed(inputs, label, self._both)
        return Features(last, layer_mean)

    def _both(self, tensors: dict[str, Any]) -> tuple[Any, Any]:
        tensors = self._placed(tensors)
        wanted = {"output_hidden_states": True} if _takes(self.model, "output_hidden_states") else {}
        outputs = self._outputs(tensors, **wanted)
        mask = self._mask(tensors, outputs)
        return pool(outputs, mask, self.pooling), pool_layers(outputs, mask, self.pooling)

    def _outputs(self, tensors: dict[str, Any], **wanted: Any) -> Any:
        try:
            return self.model(**tensors, **wanted)
        except (RuntimeError, IndexError, ValueError, AttributeError) as error:
            said = _why_refused(tensors, self.model, error)
            if said is None or is_out_of_memory(error):
                raise
            raise BackboneError(f"backbone: {said}") from error

    def _mask(self, tensors: dict[str, Any], outputs: Any) -> Any | None:
        return token_mask(getattr(self.model, "config", None), tensors, outputs.last_hidden_state)

    def _placed(self, tensors: dict[str, Any]) -> dict[str, Any]:
        return {name: tensor.to(self.model.device) for name, tensor in tensors.items()}

    def batches(self, inputs: Sequence[Any]) -> Iterator[NDArray[np.int64]]:
        """Indices of inputs that are computed together where no gradient is wanted."""
        tokens = batch_tokens(str(self.model.device))
        return batches(self.modality.lengths(inputs, self.processor), self.batch_rows, tokens=tokens)

    def _embed(
        self, inputs: Sequence[Any], label: str, views: Callable[[dict[str, Any]], Sequence[Any]]
    ) -> list[NDArray[np.float64]]:
        """One (n, d) array for each tensor (batch, d) that ``views`` gives of a batch; two empty ones without inputs."""
        import numpy as np
        import torch
        from tqdm import tqdm

        self.model.eval()
        found: list[NDArray[np.float64]] = []

        def seen(indices: NDArray[np.int64]) -> Sequence[Any]:
            tensors = self.modality.tensors(chosen(inputs, indices), self.processor)
            try:
                return [view.double().cpu().numpy() for view in views(tensors)]
            except ValueError as error:  # a vision transformer knows the places of one image size only
                raise BackboneError(f"{label}: the backbone cannot read these inputs: {error}; see data.modality") from error

        with torch.inference_mode(), tqdm(total=len(inputs), desc=label, disable=None, leave=False, file=sys.stderr) as bar:
            for batch in self.batches(inputs):
                for indices, pooled in in_halves(seen, batch):
                    found = found or [np.empty((len(inputs), view.shape[1])) for view in pooled]
                    for features, view in zip(found, pooled, strict=True):
                        features[indices] = view
                    bar.update(len(indices))
        for features in found:
            _refuse_not_finite(features, label)
        return found or [np.empty((0, 0)), np.empty((0, 0))]


def check_padding(encoder: Encoder, name: str) -> None:
    """Raise BackboneError if a text's features change with how far it is padded: some architectures mix tokens with padding.

    The answer to a text would then depend on those beside it. Tried on two; where they cannot be read, nothing is said.
    """
    import torch

    if encoder.modality.name != "text":
        return
    probes = encoder.modality.probes()
    order = encoder.modality.lengths(probes, encoder.processor).argsort()
    short, long = probes[int(order[1])], probes[int(order[-1])]  # some cannot read the shortest alone
    try:
        with torch.no_grad():
            alone, beside = (
                encoder.features(encoder.modality.tensors(texts, encoder.processor))[0] for texts in ([short], [short, long])
            )
    except (BackboneError, RuntimeError, ValueError, LookupError):
        return
    change = float((beside - alone).norm() / alone.norm().clamp(min=1e-12))
    if change > PADDING_TOLERANCE:
        raise BackboneError(
            f"backbone {name}: expected features of a text that do not depend on the texts beside it, found that padding changes "
            f"them by {change:.0%}: {type(encoder.model).__name__} mixes it with tokens; name another backbone"
        )


def _takes(model: Any, option: str) -> bool:
    parameters = inspect.signature(model.forward).parameters
    return option in parameters or any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values())


def _why_refused(tensors: dict[str, Any], model: Any, error: Exception) -> str | None:
    """Why a backbone has refused a batch, where that can be told. Ask only then: many read more than they say."""
    config, reads = getattr(model, "config", None), getattr(model, "main_input_name", None)
    pixels, ids = tensors.get("pixel_values"), tensors.get("input_ids")
    what = "texts" if pixels is None else "images"
    if hasattr(config, "vision_config"):
        half = "CLIPTextModel" if pixels is None else "CLIPVisionModel"
        return (
            f"expected one that reads {what} alone, found {type(model).__name__}, which reads texts and images at once; save that "
            f"half of it, such as by {half}.from_pretrained(folder).save_pretrained(another) of transformers, and name that folder"
        )
    if isinstance(reads, str) and reads not in tensors and "inputs_embeds" not in tensors:
        return f"expected one that reads {what}, found {type(model).__name__}, which reads {reads}; see backbone.name and modality"
    if pixels is not None and isinstance(error, RuntimeError):
        size = " x ".join(map(str, pixels.shape[1:]))
        return f"expected one that reads images of {size}, found that it does not ({first_line(error)}); see data.modality.side"
    return _why_text_refused(ids, model) if ids is not None else None


def _why_text_refused(ids: Any, model: Any) -> str | None:
    tokens, positions = int(ids.shape[1]), getattr(model.config, "max_position_embeddings", None)
    if isinstance(positions, int) and 0 < positions < tokens + POSITIONS_LOST:
        return (
            f"expected texts of at most {positions} tokens, its positions, or {positions - POSITIONS_LOST} in RoBERTa and its kin, "
            f"found one of {tokens}; lower data.modality.max_tokens"
        )
    if not tokens:
        return "expected texts of a token at least, found one of which its tokenizer makes none; remove it, or mend the tokenizer"
    known = getattr(model.config, "vocab_size", None)
    if ids.device.type == "cpu" and isinstance(known, int) and int(ids.max()) >= known:
        return (
            f"expected a tokenizer of at most {known} tokens, as many as it knows, found token {int(ids.max())}; put the tokenizer "
            "that it was trained with into its folder"
        )
    return None


def _refuse_not_finite(features: NDArray[np.float64], label: str) -> None:
    import numpy as np

    if not np.isfinite(features).all():
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        raise DataError(
            f"{label}: expected finite features, found others in {len(broken)} of {len(features)} rows, first row {broken[0]}; "
            "the weights are damaged, or training has diverged: get them again, or lower learning_rate"
        )
