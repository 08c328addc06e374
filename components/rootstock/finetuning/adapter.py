"""Small adapters beside frozen weights, through peft."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, NonNegativeFloat, PositiveInt

from rootstock.backbone import Encoder
from rootstock.errors import ParamsError
from rootstock.finetuning.gradient import Adapted, GradientMethod, layers_of

if TYPE_CHECKING:
    from peft import PeftConfig


class AdapterMethod(GradientMethod):
    """Adapters in the named modules."""

    target_modules: Annotated[tuple[str, ...], Field(min_length=1)]
    last_layers: PositiveInt | None
    """adapters go into so many of the last layers, and what lies below is computed once; null takes all"""

    @abstractmethod
    def config(self, layers: list[int] | None) -> PeftConfig:
        """peft's configuration for the layers given by index, or all."""

    def adapt(self, encoder: Encoder) -> Adapted:
        """Adapters move. Raises ParamsError if the modules match nothing, or something that takes none."""
        from peft import get_peft_model

        depth = len(layers_of(encoder.model))
        if self.last_layers is not None and self.last_layers > depth:
            raise ParamsError(
                f"finetuning: last_layers of {self.name} is {self.last_layers}, but this backbone has {depth}; choose fewer"
            )
        below = depth - self.last_layers if self.last_layers is not None else 0
        config = self.config(list(range(below, depth)) if self.last_layers is not None else None)
        try:
            model = get_peft_model(encoder.model, config)
        except ValueError as error:
            raise ParamsError(
                f"finetuning: target_modules {list(self.target_modules)} match nothing that takes an adapter in this backbone; "
                f"it has {', '.join(_weighted(encoder.model))}"
            ) from error
        self.check(encoder.model)
        return Adapted(replace(encoder, model=model), below, inner=model.base_model.model)

    def check(self, model: Any) -> None:
        """Raise ParamsError if the adapters do not suit the backbone."""


class LowRank(AdapterMethod):
    """Adapters of two thin matrices each."""

    rank: PositiveInt
    alpha: PositiveInt
    """the product of the matrices counts alpha / rank"""
    dropout: Annotated[NonNegativeFloat, Field(lt=1)]

    def check(self, model: Any) -> None:
        """Raise ParamsError if the rank is larger than a layer that gets an adapter: it would save nothing."""
        import torch

        for name, module in model.named_modules():
            weight = getattr(getattr(module, "base_layer", None), "weight", None)
            if isinstance(weight, torch.Tensor) and self.rank > min(weight.shape[:2]):
                raise ParamsError(
                    f"finetuning: rank of {self.name} is {self.rank}, larger than the layer {name} ({tuple(weight.shape)}); "
                    f"choose a rank of at most {min(weight.shape[:2])}"
                )


def _weighted(model: Any) -> list[str]:
    """Last names of the modules with a weight matrix, the ones that an adapter can stand beside."""
    modules = ((name.rsplit(".", 1)[-1], getattr(part, "weight", None)) for name, part in model.named_modules())
    return sorted({name for name, weight in modules if weight is not None and weight.dim() > 1})
