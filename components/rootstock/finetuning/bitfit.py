"""BitFit: biases alone (Ben Zaken, Goldberg and Ravfogel 2022, arXiv 2106.10199)."""

from __future__ import annotations

from typing import Literal

from rootstock.encoder import Encoder
from rootstock.errors import ParamsError
from rootstock.finetuning.gradient import Adapted, GradientMethod


class BitFit(GradientMethod):
    """Every bias of the backbone, and no weight."""

    name: Literal["bitfit"] = "bitfit"

    def adapt(self, encoder: Encoder) -> Adapted:
        """Biases move. Raises ParamsError if the backbone has none."""
        biases = [parameter for name, parameter in encoder.model.named_parameters() if name.endswith("bias")]
        if not biases:
            raise ParamsError("finetuning: bitfit trains biases, but this backbone has none; choose another method such as lora")
        for bias in biases:
            bias.requires_grad_(True)
        return Adapted(encoder, 0)
