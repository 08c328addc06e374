"""Turn, scale, slant and shift images at once: what was drawn once is resampled once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from rootstock.part import Augmentation
from rootstock.row_by_row import border_colour, each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Affine(Augmentation):
    """A random affine map about the image's centre, each part of it drawn evenly between its bounds.

    Rotation, scaling and shear one after the other would each resample the image.
    """

    name: Literal["affine"] = "affine"
    reads: ClassVar[str] = "image"
    degrees: Annotated[float, Field(ge=0, le=180)]
    """either way"""
    smallest: PositiveFloat
    largest: PositiveFloat
    """factors of scale"""
    shear: Annotated[float, Field(ge=0, le=1)]
    """sideways, over the distance from the centre, either way"""
    shift: Annotated[float, Field(ge=0, le=1)]
    """share of the width and of the height, either way"""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(f"expected smallest <= largest, found {self.smallest} > {self.largest}")
        return self

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._moved, seed=seed)

    def _moved(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import Image

        angle = -math.radians(random.uniform(-self.degrees, self.degrees))  # the y axis points down
        slant = random.uniform(-self.shear, self.shear)
        step = 1 / random.uniform(self.smallest, self.largest)
        sine, cosine = step * math.sin(angle), step * math.cos(angle)
        # Pillow asks where in the original a pixel comes from: the inverse of slanting, then turning and scaling
        across, down = (cosine + slant * sine, sine - slant * cosine), (-sine, cosine)
        x, y = (length * (0.5 + random.uniform(-self.shift, self.shift)) for length in picture.size)
        corner = [length / 2 - u * x - v * y for length, (u, v) in zip(picture.size, (across, down), strict=True)]
        return picture.transform(
            picture.size, Image.Transform.AFFINE, (*across, corner[0], *down, corner[1]), Image.Resampling.BILINEAR,
            fillcolor=border_colour(picture),
        )  # fmt: skip
