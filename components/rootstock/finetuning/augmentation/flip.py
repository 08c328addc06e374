"""Mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Flip(Augmentation):
    """Left and right are exchanged with probability ``horizontal``, top and bottom with ``vertical``.

    Not for what has a side, such as digits and letters.
    """

    name: Literal["flip"] = "flip"
    reads: ClassVar[str] = "image"
    horizontal: Annotated[float, Field(ge=0, le=1)]
    vertical: Annotated[float, Field(ge=0, le=1)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._flipped, seed=seed)

    def _flipped(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import ImageOps

        sideways, upside_down = random.random(2) < (self.horizontal, self.vertical)
        picture = ImageOps.mirror(picture) if sideways else picture
        return ImageOps.flip(picture) if upside_down else picture
