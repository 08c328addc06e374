"""A picture out of focus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Perturbation
from rootstock.row_by_row import each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Blur(Perturbation):
    """A Gaussian of this ``radius`` (standard deviation, pixels of the image as it came)."""

    name: Literal["blur"] = "blur"
    reads: ClassVar[str] = "image"
    radius: Annotated[float, Field(gt=0)]

    def perturb(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._blurred, seed=seed)

    def _blurred(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import ImageFilter

        return picture.filter(ImageFilter.GaussianBlur(self.radius))
