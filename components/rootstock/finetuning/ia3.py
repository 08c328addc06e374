"""IA3: activations of keys, values and feed-forward layers are scaled (Liu et al. 2022, arXiv 2205.05638)."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING, Any, Literal

from rootstock.errors import ParamsError
from rootstock.finetuning.adapter import AdapterMethod, full_names

if TYPE_CHECKING:
    from peft import PeftConfig


class Ia3(AdapterMethod):
    """A learned factor for each output of the named modules; for each input of those named as feed-forward."""

    name: Literal["ia3"] = "ia3"
    feedforward_modules: tuple[str, ...]
    """those of ``target_modules`` whose inputs are scaled"""

    def config(self, model: Any, places: Set[int] | None) -> PeftConfig:
        """An IA3Config."""
        from peft import IA3Config

        if stray := sorted(set(self.feedforward_modules) - set(self.target_modules)):
            raise ParamsError(f"finetuning: ia3.feedforward_modules has {stray[0]}, which is not in target_modules; add it there")
        return IA3Config(
            target_modules=full_names(model, self.target_modules, places),
            feedforward_modules=full_names(model, self.feedforward_modules, places),
        )
