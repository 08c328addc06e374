"""The layers of a backbone: where they are kept, and what is stepped with each."""

from __future__ import annotations

from typing import Any

from rootstock.errors import ParamsError
from rootstock.finetuning.optimisation import Group

HOLDERS = ("encoder", "transformer", "model", "decoder")
LISTS = ("layer", "layers", "stages", "block", "blocks", "h")


def place_of_layers(model: Any) -> tuple[str, ...] | None:
    """Names of the attributes that lead to the list of layers or stages; None where it is not found."""
    import torch

    for place in (*((holder, name) for holder in HOLDERS for name in LISTS), *((name,) for name in LISTS)):
        if isinstance(at(model, place), torch.nn.ModuleList):
            return place
    return None


def at(model: Any, place: tuple[str, ...]) -> Any:
    """What the names lead to, one from the other; None where there is no such attribute."""
    for name in place:
        model = getattr(model, name, None)
    return model


def layers_of(model: Any) -> list[Any]:
    """The backbone's layers or stages, first to last; empty where they are not found."""
    place = place_of_layers(model)
    return [] if place is None else list(at(model, place))


def by_depth(model: Any, *, decay: float, epochs_a_layer: int) -> tuple[Group, ...]:
    """Every weight in a group for its layer, what lies before the first in one, what lies behind the last with the last.

    A layer's rate is ``decay`` times that of the layer above it. With ``epochs_a_layer`` the last layer is trained from the first
    epoch on, the one below from that many epochs later, and so on. Raises ParamsError where layers are to differ and are not found.
    """
    layers = layers_of(model) or [model]
    if layers == [model] and (decay < 1 or epochs_a_layer):
        raise ParamsError(
            "finetuning: layers of this backbone cannot learn at rates or from epochs of their own, its layers are not found; "
            "name the method full, with layer_decay: 1, or lora, with last_layers: null"
        )
    placed = {id(parameter): depth for depth, layer in enumerate(layers, start=1) for parameter in layer.parameters()}
    before = _names_before(model)
    found: dict[int, list[Any]] = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(True)
        depth = placed.get(id(parameter), 0 if name.split(".")[0] in before else len(layers))
        found.setdefault(depth, []).append(parameter)
    return tuple(
        Group(tuple(parameters), decay ** (len(layers) - depth), (len(layers) - depth) * epochs_a_layer)
        for depth, parameters in sorted(found.items())
    )


def _names_before(model: Any) -> set[str]:
    """Children that stand before the one with the layers: embeddings, patches, a stem."""
    layers = {id(layer) for layer in layers_of(model)}
    children = [(name, {id(part) for part in child.modules()}) for name, child in model.named_children()]
    first = next((place for place, (_, parts) in enumerate(children) if parts & layers), 0)
    return {name for name, _ in children[:first]}
