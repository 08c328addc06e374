"""DoRA: weights as size and direction, a low-rank adapter for the direction (Liu et al. 2024, arXiv 2402.09353)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rootstock.finetuning.adapter import LowRank

if TYPE_CHECKING:
    from peft import PeftConfig


class Dora(LowRank):
    """Weight-decomposed low-rank adapters in the named modules."""

    name: Literal["dora"] = "dora"

    def config(self, layers: list[int] | None) -> PeftConfig:
        """A LoraConfig with ``use_dora``."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=list(self.target_modules),
            layers_to_transform=layers, bias="none", use_dora=True,
        )  # fmt: skip
