"""Near duplicates between two lists of images: the same picture re-encoded, lit a little otherwise, or cut by a pixel.

Pictures are compared as small thumbnails by the correlation of their pixels, which brightness and contrast do not change. That
suits pictures of few pixels: a perceptual hash keeps a bit for each of its 64 places, of 8 x 8 pixels those are all, and cutting a
row away moves every one. At a correlation of 0.99, of 898 handwritten digits one is taken for another of 899, and no printed one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rootstock.pictures import is_large, plain_picture
from rootstock.threads import cores, in_threads

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Pixels a side of a thumbnail at most; smaller pictures are compared at their own size.
LARGEST_SIDE, SMALLEST_SIDE = 16, 4
#: Share of a side that a cut may take away, one pixel at least.
CUT_SHARE = 0.02
#: Which sides are cut, (left, upper, right, lower): none, each alone, all.
CUTS = ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 1, 1, 1))
#: Pairs compared at a time: bounds the memory, not the result.
BLOCK_PAIRS = 4_000_000


def near_images(images: Sequence[bytes], known: Sequence[bytes], *, similarity: float) -> NDArray[np.bool_]:
    """(n,) for each of n images: whether one of ``known``, or that with an edge cut, correlates with it by ``similarity`` (0..1].

    Either may be the one that was cut. An image that cannot be read, or of one colour throughout, is near no other.
    """
    import numpy as np

    found = np.zeros(len(images), dtype=bool)
    if not images or not known:
        return found
    side = max(SMALLEST_SIDE, min(_shorter_side(data) for data in (*images, *known)))
    left, right = _thumbnails(images, side), _thumbnails(known, side)
    block = max(1, BLOCK_PAIRS // len(known))
    for start in range(0, len(images), block):
        part = slice(start, start + block)
        alike = np.zeros(len(left[0][part]), dtype=bool)
        for cut in range(len(CUTS)):
            alike |= (left[0][part] @ right[cut].T >= similarity).any(axis=1)
            alike |= (left[cut][part] @ right[0].T >= similarity).any(axis=1)
        found[part] = alike
    return found


def _opened(data: Any) -> Any:
    from PIL import Image as Pictures
    from PIL import UnidentifiedImageError

    try:
        return plain_picture(data).convert("RGB")
    except (UnidentifiedImageError, Pictures.DecompressionBombError, OSError, TypeError, ValueError, SyntaxError):
        return None


def _shorter_side(data: Any) -> int:
    """In pixels; ``LARGEST_SIDE`` for a picture that is larger, of which only the header is read, or that cannot be read."""
    from PIL import Image as Pictures

    try:
        side = min(Pictures.open(io.BytesIO(data)).size)
    except (Pictures.DecompressionBombError, OSError, TypeError, ValueError, SyntaxError):
        return LARGEST_SIDE
    return side if side < LARGEST_SIDE and _opened(data) is not None else LARGEST_SIDE


def _thumbnails(images: Sequence[Any], side: int) -> list[NDArray[np.float32]]:
    """A (n, 3 * side * side) array a cut, rows of mean zero and length one, or all zero; opens few pictures at a time."""
    import numpy as np

    found = np.zeros((len(CUTS), len(images), 3 * side * side), dtype=np.float32)
    threads = cores() if any(map(is_large, images)) else 1
    for row, smaller in enumerate(in_threads(lambda data: list(_cut(_opened(data), side)), images, threads=threads)):
        for cut, small in enumerate(smaller):
            pixels = np.asarray(small, dtype=np.float32).ravel()
            pixels -= pixels.mean()
            length = float(np.linalg.norm(pixels))
            found[cut, row] = pixels / length if length > 0 else 0.0
    return list(found)


def _cut(picture: Any, side: int) -> Iterator[Any]:
    from PIL import Image as Pictures

    if picture is None:
        return
    wide, high = picture.size
    step_x, step_y = max(1, round(CUT_SHARE * wide)), max(1, round(CUT_SHARE * high))
    for left, upper, right, lower in CUTS:
        box = (left * step_x, upper * step_y, wide - right * step_x, high - lower * step_y)
        if box[0] < box[2] and box[1] < box[3]:
            yield picture.resize((side, side), Pictures.Resampling.BILINEAR, box=box)
