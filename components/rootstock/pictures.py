"""What a viewer shows of an image file: the one way in which all that reads pixels opens one, and what of a file is kept."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rootstock.jpeg import without_notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

#: First letters of Pillow's modes of 16 and 32 bits a pixel, which it would cut off at 255.
DEEP_MODES = ("I", "F")
#: Exif's tag that says how a camera was held, and its values other than upright.
ORIENTATION, TURNED = 0x0112, range(2, 9)
#: Formats that Pillow gives a photograph, alone or with smaller ones behind it, as telephones write it.
PHOTOGRAPHS = ("JPEG", "MPO")
#: Under which Pillow gives what a camera or an editor wrote into a PNG beside its texts.
PNG_NOTES = {"exif", "xmp"}
JPEG_START = b"\xff\xd8"
#: Of a photograph that is scaled down, above which a file grows and shows no more; and of what is only looked at.
KEPT_QUALITY, SHOWN_QUALITY = 95, 80
#: Of a file, and of one that is opened (180 pixels a side in three colours), above which an image is worth a thread of its own: a
#: smaller one is read in less time than handing it on takes.
LARGE_BYTES, LARGE_OPENED_BYTES = 10_000, 100_000
#: Modes that are kept, and scaled first of all: of a photograph no more is decoded then than is needed.
PLAIN_MODES = ("L", "RGB")


def flattened(picture: Image) -> Image:
    """The same picture, turned as its camera says, on white where it is transparent; an upright opaque one as it is.

    Raises ValueError for more than 8 bits a pixel: which of its values are black and white is for who made it to say.
    """
    from PIL import Image, ImageOps

    if picture.mode.startswith(DEEP_MODES):
        raise ValueError(f"mode {picture.mode}, more than 8 bits a channel: scale its values to 0 to 255")
    if picture.getexif().get(ORIENTATION) in TURNED:
        picture = ImageOps.exif_transpose(picture)
    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def kept_bytes(content: bytes, *, most_pixels: int | None) -> bytes:
    """What is kept of an image file: a photograph (JPEG) without what a camera wrote beside it, a PNG that is upright and opaque as
    it is, if nothing is written beside it; of others a PNG of what is seen.

    What has more than ``most_pixels`` is scaled down to them, turned as its camera says: a photograph to a photograph. Raises
    ValueError saying why a file cannot be read: empty, cut short, damaged, no image, larger than Pillow thinks safe, more than 8
    bits a channel.
    """
    with _open(content) as image:
        is_photograph = image.format in PHOTOGRAPHS
        if most_pixels is not None and image.width * image.height > most_pixels:
            return _written(_scaled(image, most_pixels), "JPEG" if is_photograph else "PNG", quality=KEPT_QUALITY)
        image.load()
        seen = flattened(image)
        if is_photograph and image.mode in PLAIN_MODES:
            held = image.getexif().get(ORIENTATION)
            return without_notes(content, orientation=held if held in TURNED else None)
        if seen is image and image.format == "PNG" and not (image.info.keys() & PNG_NOTES or getattr(image, "text", None)):
            return content
        return _written(seen.convert("RGB"), "PNG")


def thumbnail(content: bytes, *, most_pixels: int) -> bytes:
    """A small JPEG of what is seen, for people to look at. Raises ValueError like ``kept_bytes``."""
    with _open(content) as image:
        return _written(_scaled(image, most_pixels).convert("RGB"), "JPEG", quality=SHOWN_QUALITY)


def pixels_no_finer(content: bytes, *, shorter_side: int) -> NDArray[np.uint8]:
    """What is seen of an image, (height, width) or (height, width, 3); scaled down where its shorter side has more pixels.

    Raises ValueError like ``kept_bytes``.
    """
    import numpy as np

    with _open(content) as image:
        factor = min(1.0, shorter_side / min(image.size))
        return np.asarray(_scaled(image, math.ceil(image.width * factor) * math.ceil(image.height * factor)))


def plain_picture(value: Any) -> Image:
    """An image file's bytes, pixels as of ``pixels_no_finer``, or what was opened so before, in a plain mode.

    Raises ValueError for more than 8 bits a pixel, and what Pillow raises for bytes that it cannot read.
    """
    import numpy as np
    from PIL import Image

    if isinstance(value, Image.Image):
        return value
    if isinstance(value, np.ndarray):
        return Image.fromarray(value)
    picture = flattened(Image.open(io.BytesIO(value)))
    picture.load()
    return picture if picture.mode in PLAIN_MODES else picture.convert("RGB")


def is_large(value: Any) -> bool:
    """Whether an image, in one of these forms, is worth a thread of its own."""
    if isinstance(value, bytes):
        return len(value) > LARGE_BYTES
    size = getattr(value, "size", 0)  # of an array its numbers, of a picture its sides
    return bool((3 * math.prod(size) if isinstance(size, tuple) else size) > LARGE_OPENED_BYTES)


def ending_of(content: bytes) -> str:
    """Of a file with the bytes that were kept of an image."""
    return ".jpg" if content.startswith(JPEG_START) else ".png"


@contextlib.contextmanager
def _open(content: bytes) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise ValueError("0 bytes")
    try:
        with Image.open(io.BytesIO(content)) as image:
            yield image
    except UnidentifiedImageError as error:  # its own text holds the address of a buffer
        raise ValueError(f"no image, or cut short: {len(content)} bytes") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


def _scaled(image: Image, most_pixels: int) -> Image:
    """What is seen, in a plain mode, of no more pixels than that."""
    picture: Image = image if image.mode in PLAIN_MODES and not image.has_transparency_data else flattened(image).convert("RGB")
    factor = min(1.0, math.sqrt(most_pixels / (picture.width * picture.height)))
    width, height = (max(1, math.floor(side * factor)) for side in picture.size)
    picture.thumbnail((width, height))
    return flattened(picture)


def _written(picture: Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **(options | {"subsampling": 0} if kind == "JPEG" else {}))
    return buffer.getvalue()
