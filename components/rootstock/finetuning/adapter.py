"""Small adapters beside frozen weights, through peft."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveInt

from rootstock.encoder import Encoder
from rootstock.errors import ParamsError
from rootstock.finetuning.gradient import Adapted, GradientMethod
from rootstock.finetuning.layers import layers_of

if TYPE_CHECKING:
    from peft import PeftConfig


class AdapterMethod(GradientMethod):
    """Adapters in the named modules."""

    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    last_layers: PositiveInt | None
    """adapters go into so many of the last layers, and what lies below is computed once; null takes all"""

    def layers_needed(self) -> int:
        return self.last_layers or 0

    @abstractmethod
    def config(self, model: Any, places: Set[int] | None) -> PeftConfig:
        """peft's configuration for the modules in ``places`` of ``model`` (by id), or all."""

    def adapt(self, encoder: Encoder) -> Adapted:
        """Adapters move. Raises ParamsError if the modules match nothing, or something that takes none, or layers are too few."""
        from peft import get_peft_model

        layers = layers_of(encoder.model)
        if self.last_layers is not None and not layers:
            raise ParamsError(
                f"finetuning: last_layers of {self.name} is {self.last_layers}, but of this backbone its layers are not found; "
                "set last_layers: null"
            )
        if self.last_layers is not None and self.last_layers > len(layers):
            raise ParamsError(
                f"finetuning: last_layers of {self.name} is {self.last_layers}, but this backbone has {len(layers)}; choose fewer"
            )
        below = len(layers) - self.last_layers if self.last_layers is not None else 0
        places = None if self.last_layers is None else {id(part) for layer in layers[below:] for part in layer.modules()}
        targets = named_modules(encoder.model, self.target_modules, places)
        self._refuse_own_forward(targets)
        self.check(targets)
        try:
            model = get_peft_model(encoder.model, self.config(encoder.model, places))
        except ValueError as error:
            raise ParamsError(
                f"finetuning: target_modules {list(self.target_modules)} match nothing that takes an adapter in this backbone; "
                f"it has {', '.join(_weighted(encoder.model))}"
            ) from error
        adapted = replace(encoder, model=model)
        try:
            adapted.embed(encoder.modality.probes()[:1])
        except AttributeError as error:
            raise ParamsError(
                f"finetuning: {self.name} cannot stand beside {', '.join(self.target_modules)} of {type(encoder.model).__name__}, "
                f"which asks them for what an adapter does not have ({error}); choose another method, such as last_layers or full"
            ) from error
        return Adapted(adapted, below, inner=model.base_model.model)

    def _refuse_own_forward(self, targets: Mapping[str, Any]) -> None:
        """An adapter is merged into a weight as it is kept: one that is changed before it is multiplied would answer otherwise."""
        import torch

        kinds = (torch.nn.Linear, torch.nn.Embedding, torch.nn.modules.conv._ConvNd)
        for name, module in targets.items():
            if isinstance(module, kinds) and not type(module).forward.__module__.startswith("torch."):
                raise ParamsError(
                    f"finetuning: {self.name} cannot stand beside {name}, a {type(module).__name__}, which computes in a way of "
                    "its own: the adapter could not be merged into it; take it out of target_modules, or name another method"
                )

    def check(self, targets: Mapping[str, Any]) -> None:
        """Raise ParamsError if the adapters do not suit the modules that they would stand beside, by full name."""


def named_modules(model: Any, names: Sequence[str], places: Set[int] | None) -> dict[str, Any]:
    """Modules whose full name is or ends with one of ``names``, by full name; of those in ``places`` (by id), if not None."""
    ends = tuple(f".{name}" for name in names)
    return {
        full: part for full, part in model.named_modules() if f".{full}".endswith(ends) and (places is None or id(part) in places)
    }


def full_names(model: Any, names: Sequence[str], places: Set[int] | None) -> list[str]:
    """What peft is told: the names as they are, or the full names in ``places``.

    peft itself tells layers by the last number in a name, which in a convolutional network counts blocks within a stage.
    """
    return list(names) if places is None else list(named_modules(model, names, places))


class LowRank(AdapterMethod):
    """Adapters of two thin matrices each."""

    rank: PositiveInt
    alpha: PositiveInt
    """the product of the matrices counts alpha / rank"""
    dropout: Annotated[NonNegativeFloat, Field(lt=1)]

    def check(self, targets: Mapping[str, Any]) -> None:
        """Raise ParamsError if the rank is larger than a layer that gets an adapter: it would save nothing.

        And for a convolution by groups: its adapter cannot be merged into its weights, and models are saved to be merged.
        """
        import torch

        for name, module in targets.items():
            weight = getattr(module, "weight", None)
            if getattr(module, "groups", 1) > 1:
                raise ParamsError(
                    f"finetuning: {self.name} cannot stand beside {name}, a convolution in {module.groups} groups; take "
                    f"{name.rsplit('.', 1)[-1]} out of target_modules"
                )
            if isinstance(weight, torch.Tensor) and weight.dim() > 1 and self.rank > min(weight.shape[:2]):
                raise ParamsError(
                    f"finetuning: rank of {self.name} is {self.rank}, larger than the layer {name} ({tuple(weight.shape)}); "
                    f"choose a rank of at most {min(weight.shape[:2])}"
                )


def _weighted(model: Any) -> list[str]:
    """Last names of the modules with a weight matrix, the ones that an adapter can stand beside."""
    modules = ((name.rsplit(".", 1)[-1], getattr(part, "weight", None)) for name, part in model.named_modules())
    return sorted({name for name, weight in modules if weight is not None and weight.dim() > 1})
