"""LoRA: low-rank adapters beside frozen weights (Hu et al. 2022, arXiv 2106.09685)."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rootstock.finetuning.adapter import LowRank, full_names

if TYPE_CHECKING:
    from peft import PeftConfig


class Lora(LowRank):
    """Low-rank adapters in the named modules."""

    name: Literal["lora"] = "lora"
    in_bfloat16: ClassVar[bool] = True

    def config(self, model: Any, places: Set[int] | None) -> PeftConfig:
        """A LoraConfig."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, bias="none",
            target_modules=full_names(model, self.target_modules, places),
        )  # fmt: skip
