"""The last layers alone: what lies below them is computed once."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import PositiveInt

from rootstock.encoder import Encoder
from rootstock.errors import ParamsError
from rootstock.finetuning.gradient import Adapted, GradientMethod
from rootstock.finetuning.layers import layers_of


class LastLayers(GradientMethod):
    """All weights of the backbone's last layers."""

    name: Literal["last_layers"] = "last_layers"
    in_bfloat16: ClassVar[bool] = True
    layers: PositiveInt
    """that move, counted from the last; in a convolutional network, stages"""

    def layers_needed(self) -> int:
        return self.layers

    def adapt(self, encoder: Encoder) -> Adapted:
        """The last layers move. Raises ParamsError if the backbone has fewer, or none that are found."""
        found = layers_of(encoder.model)
        if not found:
            raise ParamsError(
                f"finetuning: last_layers.layers is {self.layers}, but of this backbone its layers are not found; name another "
                "method, such as full, or lora with last_layers: null"
            )
        if len(found) < self.layers:
            raise ParamsError(
                f"finetuning: last_layers.layers is {self.layers}, but this backbone has {len(found)}; "
                "choose fewer, or another method such as full"
            )
        for layer in found[-self.layers :]:
            layer.requires_grad_(True)
        return Adapted(encoder, len(found) - self.layers)
