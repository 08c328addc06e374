"""More or less light than there was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation
from rootstock.row_by_row import each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Brightness(Perturbation):
    """Every pixel is multiplied by ``factor``: darker below 1, brighter above."""

    name: Literal["brightness"] = "brightness"
    reads: ClassVar[str] = "image"
    factor: Annotated[float, Field(gt=0)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._lit, seed=seed)

    def _lit(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import ImageEnhance

        return ImageEnhance.Brightness(picture).enhance(self.factor)
