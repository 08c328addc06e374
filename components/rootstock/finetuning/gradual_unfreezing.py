"""Gradual unfreezing: the last layer learns first, one more layer below it every few epochs (Howard and Ruder 2018, ULMFiT)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from rootstock.encoder import Encoder
from rootstock.finetuning.gradient import Adapted, GradientMethod
from rootstock.finetuning.layers import by_depth


class GradualUnfreezing(GradientMethod):
    """All weights in the end, from the last layer down, the lower layers more slowly."""

    name: Literal["gradual_unfreezing"] = "gradual_unfreezing"
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """learning rate of a layer, over that of the layer above it"""
    epochs_a_layer: PositiveInt
    """after which the next layer below joins"""

    def layers_needed(self) -> int:
        return 1

    def adapt(self, encoder: Encoder) -> Adapted:
        """Everything moves, each layer from its epoch on."""
        return Adapted(encoder, 0, by_depth(encoder.model, decay=self.layer_decay, epochs_a_layer=self.epochs_a_layer))
