"""Change the light in which an image was taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Colour(Augmentation):
    """Brightness, contrast and saturation are each multiplied by a factor that differs from 1 by up to so much."""

    name: Literal["colour"] = "colour"
    reads: ClassVar[str] = "image"
    brightness: Annotated[float, Field(ge=0, le=1)]
    contrast: Annotated[float, Field(ge=0, le=1)]
    saturation: Annotated[float, Field(ge=0, le=1)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._lit, seed=seed)

    def _lit(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import ImageEnhance

        factors = 1 + random.uniform(-1, 1, 3) * (self.brightness, self.contrast, self.saturation)
        kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for kind, factor in zip(kinds, factors, strict=True):
            picture = kind(picture).enhance(float(factor))
        return picture
