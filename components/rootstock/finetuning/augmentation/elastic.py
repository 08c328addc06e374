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

    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        return each_image(inputs, self._bent, seed=seed)

    def _bent(self, picture: Image, random: np.random.Generator) -> Image:
        import numpy as np
        from PIL import Image

        cells = min(self.cells, *picture.size)  # a cell has a pixel at least
        across, down = (np.round(np.linspace(0, side, cells + 1)).astype(int) for side in picture.size)
        corners = np.stack(np.meshgrid(across, down), axis=-1)
        places = corners + random.normal(scale=self.deviation, size=corners.shape) * picture.size
        upper_left, lower_left, lower_right, upper_right = (
            (slice(0, -1), slice(0, -1)), (slice(1, None), slice(0, -1)), (slice(1, None), slice(1, None)),
            (slice(0, -1), slice(1, None)),
        )  # fmt: skip
        to = np.concatenate([corners[upper_left], corners[lower_right]], axis=-1).reshape(-1, 4).tolist()
        around = (upper_left, lower_left, lower_right, upper_right)
        out_of = np.concatenate([places[corner] for corner in around], axis=-1).reshape(-1, 8).tolist()
        mesh = [(tuple(box), tuple(quadrilateral)) for box, quadrilateral in zip(to, out_of, strict=True)]
        return picture.transform(
            picture.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR, fillcolor=border_colour(picture)
        )
