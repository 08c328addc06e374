"""Grain, as a sensor in poor light gives it.

D. Hendrycks and T. Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations", arXiv
1903.12261, for this kind of change and for blur and brightness.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation
from rootstock.row_by_row import each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Noise(Perturbation):
    """Every value of every pixel gets a normal error with this standard ``deviation``; black to white is 1."""

    name: Literal["noise"] = "noise"
    reads: ClassVar[str] = "image"
    deviation: Annotated[float, Field(gt=0, le=1)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._grained, seed=seed)

    def _grained(self, picture: Image, random: np.random.Generator) -> Image:
        import numpy as np
        from PIL import Image

        pixels = np.asarray(picture, dtype=np.float64)
        grained = pixels + 255 * self.deviation * random.standard_normal(pixels.shape)
        return Image.fromarray(np.clip(np.rint(grained), 0, 255).astype(np.uint8))
