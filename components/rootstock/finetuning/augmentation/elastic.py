"""Bend images (Simard, Steinkraus and Platt 2003, ICDAR), by random displacements of a coarse grid (Ronneberger et al. 2015,
arXiv 1505.04597).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from rootstock.part import Augmentation
from rootstock.row_by_row import border_colour, each_image

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


class Elastic(Augmentation):
    """Each corner of a grid of ``cells`` by ``cells`` moves, and what lies between moves with it.

    Moves are normal, ``deviation`` of the image's sides in each direction.
    """

    name: Literal["elastic"] = "elastic"
    reads: ClassVar[str] = "image"
    cells: Annotated[int, Field(ge=1)]
    deviation: Annotated[float, Field(ge=0, le=0.5)]

    def augment(self, inputs: Sequence[Any], *, seed: int) -> list[Any]:
        return each_image(inputs, self._bent, seed=seed)

    def _bent(self, picture: Image, random: np.random.Generator) -> Image:
        import numpy as np
        from PIL import Image

        size = np.array(picture.size)
        lines = np.linspace(0, 1, self.cells + 1)
        corners = np.stack(np.meshgrid(lines, lines), axis=-1)
        # pixels of the result are whole, places that they are read from are not
        boxes = np.round(corners * size).astype(int)
        places = (corners + random.normal(scale=self.deviation, size=corners.shape)) * size
        mesh = [
            (
                (*map(int, boxes[row, column]), *map(int, boxes[row + 1, column + 1])),
                tuple(float(x) for x in (
                    *places[row, column], *places[row + 1, column], *places[row + 1, column + 1], *places[row, column + 1],
                )),
            )
            for row in range(self.cells)
            for column in range(self.cells)
        ]  # fmt: skip
        return picture.transform(
            picture.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR, fillcolor=border_colour(picture)
        )
