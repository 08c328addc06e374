"""Look at a part of an image (Szegedy et al. 2015, arXiv 1409.4842)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Crop(Augmentation):
    """A part of the image, ``smallest`` to all of its area at a random place, is scaled up to the image's size."""

    name: Literal["crop"] = "crop"
    reads: ClassVar[str] = "image"
    smallest: Annotated[float, Field(gt=0, le=1)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._cropped, seed=seed)

    def _cropped(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import Image

        side = math.sqrt(random.uniform(self.smallest, 1))
        width, height = picture.width * side, picture.height * side
        left, top = random.random() * (picture.width - width), random.random() * (picture.height - height)
        return picture.resize(picture.size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
