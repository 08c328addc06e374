"""Turn images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import border_colour, each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Rotation(Augmentation):
    """The image is turned about its centre by up to ``degrees`` either way."""

    name: Literal["rotation"] = "rotation"
    reads: ClassVar[str] = "image"
    degrees: Annotated[float, Field(ge=0, le=180)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._turned, seed=seed)

    def _turned(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import Image

        angle = float(random.uniform(-self.degrees, self.degrees))
        return picture.rotate(angle, Image.Resampling.BILINEAR, fillcolor=border_colour(picture))
