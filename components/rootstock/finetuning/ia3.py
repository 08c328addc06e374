"""IA3: activations of keys, values and feed-forward layers are scaled (Liu et al. 2022, arXiv 2205.05638)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from rootstock.errors import ParamsError
from rootstock.finetuning.adapter import AdapterMethod

if TYPE_CHECKING:
    from peft import PeftConfig


class Ia3(AdapterMethod):
    """A learned factor for each output of the named modules; for each input of those named as feed-forward."""

    name: Literal["ia3"] = "ia3"
    feedforward_modules: tuple[str, ...]
    """those of ``target_modules`` whose inputs are scaled"""

    def config(self, layers: list[int] | None) -> PeftConfig:
        """An IA3Config; it has no choice of layers, so names are spelt out."""
        from peft import IA3Config

        if stray := sorted(set(self.feedforward_modules) - set(self.target_modules)):
            raise ParamsError(f"finetuning: ia3.feedforward_modules has {stray[0]}, which is not in target_modules; add it there")
        return IA3Config(
            target_modules=_spelt_out(self.target_modules, layers), feedforward_modules=_spelt_out(self.feedforward_modules, layers)
        )


def _spelt_out(names: tuple[str, ...], layers: list[int] | None) -> Any:
    """A list of names, or a pattern of them in the given layers."""
    if layers is None or not names:
        return list(names)
    return rf".*\.({'|'.join(map(str, layers))})\..*\.?({'|'.join(names)})"
