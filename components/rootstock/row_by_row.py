"""What every augmentation and perturbation does alike: a generator of its own for each row, and images opened and written again."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rootstock.on_demand import OnDemand
from rootstock.pictures import flattened

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

#: Modes that Pillow can enhance and fill; others become RGB.
KEPT_MODES = ("L", "RGB")


def each_text(inputs: Sequence[Any], change: Callable[[str, np.random.Generator], str], *, seed: int) -> list[Any]:
    """Every text changed; what becomes of a row depends on the seed, its place and itself, not on its neighbours."""
    import numpy as np

    return [change(text, np.random.default_rng([seed, row])) for row, text in enumerate(inputs)]


def each_image(inputs: Sequence[Any], change: Callable[[Image, np.random.Generator], Image], *, seed: int) -> OnDemand:
    """Every image changed when it is asked for, as the bytes of an image file of the same size; independent as texts are."""
    import numpy as np

    return OnDemand(lambda row: _written(change(_opened(inputs[row]), np.random.default_rng([seed, row]))), len(inputs))


def _opened(content: bytes) -> Image:
    # Pillow reads images here anyway; kornia and albumentations would add a second tensor library or OpenCV for what it has
    from PIL import Image

    picture = flattened(Image.open(io.BytesIO(content)))
    picture.load()
    return picture if picture.mode in KEPT_MODES else picture.convert("RGB")


def _written(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PPM")  # read again at once: packing as PNG takes a hundred times as long
    return buffer.getvalue()


def border_colour(picture: Image) -> Any:
    """Median of the pixels at the edge, for what a turned or shrunk image leaves bare."""
    import numpy as np

    pixels = np.asarray(picture)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    middle = np.median(edge, axis=0).astype(int)
    return int(middle) if middle.ndim == 0 else tuple(middle.tolist())
