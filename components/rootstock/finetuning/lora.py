"""LoRA: low-rank adapters beside frozen weights (Hu et al. 2022, arXiv 2106.09685)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from rootstock.finetuning.adapter import LowRank

if TYPE_CHECKING:
    from peft import PeftConfig


class Lora(LowRank):
    """Low-rank adapters in the named modules."""

    name: Literal["lora"] = "lora"
    in_bfloat16: ClassVar[bool] = True

    def config(self, layers: list[int] | None) -> PeftConfig:
        """A LoraConfig."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=list(self.target_modules),
            layers_to_transform=layers, bias="none",
        )  # fmt: skip
