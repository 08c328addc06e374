"""The frozen prefix: what lies below the first trainable layer is computed once a row, not once an epoch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from rootstock import processes
from rootstock.encoder import Encoder, token_mask
from rootstock.errors import RootstockError
from rootstock.finetuning.hidden_states import ImageStates, Reached, TokenStates, hidden_states
from rootstock.finetuning.layers import layers_of, place_of_layers
from rootstock.part import Modality

#: A cut is tried on the shortest and the longest of so many rows.
LOOKED_AT = 64
#: Of the length of the whole's features; half precision between the layers costs a thousandth.
TOLERANCE = 0.01


def split_encoder(encoder: Encoder, below: int, inputs: Sequence[Any]) -> tuple[Encoder, Encoder] | None:
    """The encoder as (prefix of ``below`` layers, the layers above it): what ``hidden_states`` of the prefix are, the suffix reads.

    Both share the encoder's own layers, so training the suffix trains the encoder. None where the architecture has no
    ``embeddings`` before a list of layers (as BERT, DistilBERT, ViT, DINOv2 and ConvNeXt have), or texts are padded in front, or
    frozen layers count what they see, or where both together do not give what the whole gives for two of ``inputs``: some compute
    something more before, between or after their layers. Cut it while its weights are in single precision.
    """
    some = _two_of(encoder, inputs)
    parts = _cut(encoder, below, some)
    return parts if parts is not None and processes.agreed(_give_the_same(encoder, *parts, some)) else None


@dataclass(frozen=True)
class _ImageSuffix(Encoder):
    """Pools as the whole does: of a vision transformer's tokens, the image's size tells which stand for a part of it."""

    an_image: dict[str, Any]
    """its tensors, before any layer"""

    def _mask(self, tensors: dict[str, Any], outputs: Any) -> Any | None:
        return token_mask(self.model.config, self.an_image, outputs.last_hidden_state)


def _cut(encoder: Encoder, below: int, inputs: Sequence[Any]) -> tuple[Encoder, Encoder] | None:
    model, place, layers = encoder.model, place_of_layers(encoder.model), layers_of(encoder.model)
    if place is None or not hasattr(model, "embeddings") or not 0 < below < len(layers):
        return None
    if encoder.modality.name == "text" and getattr(encoder.processor, "padding_side", "right") == "left":
        return None
    if getattr(model.config, "is_decoder", False) or _counts(model.embeddings, *layers[:below]):
        return None
    prefix = _with_layers(model, place, [*layers[:below], _end(layers[below])])
    suffix = _with_layers(model, place, layers[below:])
    suffix.embeddings = _as_given(model.embeddings, _a_frozen_weight(layers[below:]))
    above = replace(encoder, model=suffix, processor=None, modality=cast(Modality, TokenStates()))
    if encoder.modality.name == "text":
        suffix.pooler = None  # nothing reads it
    else:
        an_image = encoder.modality.tensors(inputs[:1], encoder.processor)
        above = _ImageSuffix(**(vars(above) | {"modality": ImageStates(), "an_image": an_image}))
    return replace(encoder, model=prefix), above


def _two_of(encoder: Encoder, inputs: Sequence[Any]) -> list[Any]:
    """A short and a longer one: the first is padded beside the second."""
    some = list(inputs[:LOOKED_AT])
    lengths = encoder.modality.lengths(some, encoder.processor)
    return [some[int(lengths.argmin())], some[int(lengths.argmax())]]


def _give_the_same(whole: Encoder, prefix: Encoder, suffix: Encoder, inputs: Sequence[Any]) -> bool:
    """Whether the features are the same, up to the half precision in which hidden states are kept."""
    import torch

    models = [each.model for each in (whole, prefix, suffix)]
    modes = [model.training for model in models]
    try:
        for model in models:
            model.eval()
        with torch.no_grad():  # what a model caches of a pass in inference mode could not be trained through
            expected = whole.features(whole.modality.tensors(inputs, whole.processor))
            found = suffix.features(suffix.modality.tensors(hidden_states(prefix, inputs), None))
            return bool((found - expected).norm() <= TOLERANCE * expected.norm())
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, RootstockError):  # parts that do not fit each other
        return False
    finally:
        for model, mode in zip(models, modes, strict=True):
            model.train(mode)


def _with_layers(model: Any, place: tuple[str, ...], layers: Sequence[Any]) -> Any:
    """A copy of the model that shares everything but its list of layers."""
    import torch

    part = copy.copy(model)
    part._modules = dict(model._modules)
    name, *rest = place
    part._modules[name] = _with_layers(model._modules[name], tuple(rest), layers) if rest else torch.nn.ModuleList(layers)
    return part


def _counts(*parts: Any) -> bool:
    """Whether a part keeps statistics of what it sees: in training it answers by the batch, so an answer cannot be kept."""
    return any(getattr(module, "running_mean", None) is not None for part in parts for module in part.modules())


def _a_frozen_weight(layers: Sequence[Any]) -> Any:
    """Its precision is that of the layers; a weight that is trained stays in single precision."""
    weights = [each for layer in layers for each in layer.parameters() if each.is_floating_point()]
    return next((weight for weight in weights if not weight.requires_grad), weights[0])


def _end(layer: Any) -> Any:
    """Stands where the first layer above the frozen ones stood."""

    def end(states: Any, *_: Any, **__: Any) -> Any:
        raise Reached(states)

    return _instead_of(layer, end)


def _as_given(embeddings: Any, precision: Any) -> Any:
    """Embeddings that were computed before, in the precision of the layers that read them."""
    import torch

    def as_given(*given: Any, **named: Any) -> Any:
        for each in (*given, *named.values()):
            if isinstance(each, torch.Tensor) and each.is_floating_point():
                return each.to(precision.dtype)
        raise TypeError("expected hidden states, found none: the backbone asks for embeddings of something else")

    return _instead_of(embeddings, as_given)


def _instead_of(part: Any, answer: Callable[..., Any]) -> Any:
    """A module that answers in place of another; what else a backbone asks it for, a precision or a kind, is the other's."""
    import torch

    class InsteadOf(torch.nn.Module):
        def forward(self, *given: Any, **named: Any) -> Any:
            return answer(*given, **named)

        def __getattr__(self, name: str) -> Any:
            return getattr(part, name)

    return InsteadOf()
