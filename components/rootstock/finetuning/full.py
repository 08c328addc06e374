"""Full fine-tuning: every weight moves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rootstock.encoder import Encoder
from rootstock.finetuning.gradient import Adapted, GradientMethod
from rootstock.finetuning.layers import by_depth


class Full(GradientMethod):
    """All weights of the backbone, the lower layers more slowly where asked for; with a probe to start from it is LP-FT."""

    name: Literal["full"] = "full"
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """learning rate of a layer, over that of the layer above it; 1 trains all alike (Howard and Ruder 2018, arXiv 1801.06146)"""

    def layers_needed(self) -> int:
        return int(self.layer_decay < 1)

    def adapt(self, encoder: Encoder) -> Adapted:
        """Everything moves."""
        return Adapted(encoder, 0, by_depth(encoder.model, decay=self.layer_decay, epochs_a_layer=0))
