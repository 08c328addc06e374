"""DoRA: weights as size and direction, a low-rank adapter for the direction (Liu et al. 2024, arXiv 2402.09353)."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any, Literal

from rootstock.finetuning.adapter import LowRank, full_names

if TYPE_CHECKING:
    from peft import PeftConfig


class Dora(LowRank):
    """Weight-decomposed low-rank adapters in the named modules."""

    name: Literal["dora"] = "dora"

    def config(self, model: Any, places: Set[int] | None) -> PeftConfig:
        """A LoraConfig with ``use_dora``."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, bias="none",
            target_modules=full_names(model, self.target_modules, places), use_dora=True,
        )  # fmt: skip
