"""What a viewer shows of an image file: the one way in which all that reads pixels opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

#: First letters of Pillow's modes of 16 and 32 bits a pixel, which it would cut off at 255.
DEEP_MODES = ("I", "F")
#: Exif's tag that says how a camera was held, and its values other than upright.
ORIENTATION, TURNED = 0x0112, range(2, 9)


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
