"""Make what an image shows larger or smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import PositiveFloat, model_validator

from rootstock.part import Augmentation
from rootstock.row_by_row import border_colour, each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Scaling(Augmentation):
    """The image is scaled about its centre by a factor between ``smallest`` and ``largest``; its size in pixels stays."""

    name: Literal["scaling"] = "scaling"
    reads: ClassVar[str] = "image"
    smallest: PositiveFloat
    largest: PositiveFloat

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.smallest > self.largest:
            raise ValueError(f"expected smallest <= largest, found {self.smallest} > {self.largest}")
        return self

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._scaled, seed=seed)

    def _scaled(self, picture: Image, random: np.random.Generator) -> Image:
        from PIL import Image

        step = 1 / float(random.uniform(self.smallest, self.largest))
        corner = [length * (1 - step) / 2 for length in picture.size]
        return picture.transform(
            picture.size, Image.Transform.AFFINE, (step, 0, corner[0], 0, step, corner[1]), Image.Resampling.BILINEAR,
            fillcolor=border_colour(picture),
        )  # fmt: skip
