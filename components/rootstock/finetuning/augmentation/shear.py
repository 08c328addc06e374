"""Slant images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import border_colour, each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Shear(Augmentation):
    """Rows of pixels move sideways, the further the further they lie from the centre: by up to ``share`` of that either way."""

    name: Literal["shear"] = "shear"
    reads: ClassVar[str] = "image"
    share: Annotated[float, Field(ge=0, le=1)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._slanted, seed=seed)

    def _slanted(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import Image

        slant = float(random.uniform(-self.share, self.share))
        return picture.transform(
            picture.size, Image.Transform.AFFINE, (1, slant, -slant * picture.height / 2, 0, 1, 0), Image.Resampling.BILINEAR,
            fillcolor=border_colour(picture),
        )  # fmt: skip
