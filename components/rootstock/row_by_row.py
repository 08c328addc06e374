"""What every augmentation and perturbation does alike: a generator of its own for each row, and images opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rootstock.on_demand import OnDemand
from rootstock.pictures import plain_picture

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


def each_text(inputs: Sequence[Any], change: Callable[[str, np.random.Generator], str], *, seed: int) -> list[Any]:
    """Every text changed; what becomes of a row depends on the seed, its place and itself, not on its neighbours."""
    import numpy as np

    return [change(text, np.random.default_rng([seed, row])) for row, text in enumerate(inputs)]


def each_image(inputs: Sequence[Any], change: Callable[[Image, np.random.Generator], Image], *, seed: int) -> OnDemand:
    """Every image changed when it is asked for, as a Pillow image of the same size; independent as texts are.

    kornia and albumentations would add a second tensor library or OpenCV for what Pillow has.
    """
    import numpy as np

    return OnDemand(lambda row: change(plain_picture(inputs[row]), np.random.default_rng([seed, row])), len(inputs))


def border_colour(picture: Image) -> Any:
    """Median of the pixels at the edge, for what a turned or shrunk image leaves bare."""
    import numpy as np

    pixels = np.asarray(picture)
    edge = np.sort(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), axis=0)
    middle = (edge[(len(edge) - 1) // 2].astype(int) + edge[len(edge) // 2]) // 2  # in a third of the time of ``np.median``
    return int(middle) if middle.ndim == 0 else tuple(middle.tolist())
