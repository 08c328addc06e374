"""The image demo: handwritten digits as the target with few labels, printed digits of many fonts as the source.

The target is scikit-learn's copy of the UCI digits, at its own 8 x 8 grey pixels; the source is drawn from the fonts that come
with matplotlib and reduced in the same way. The image modality scales both to what the backbone expects.
"""

from __future__ import annotations

import contextlib
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data.rows import make_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

TARGET, SOURCE = "handwritten-digits", "printed-digits"
#: Pixels a side: of the images, of the bitmaps they are reduced from, and of the canvas a digit is drawn on.
SIDE, BITMAP_SIDE, CANVAS = 8, 32, 128
FONT_SIZE = 90
#: Width of a printed digit in a bitmap: a one is not a line, a zero not a square.
NARROWEST, WIDEST = 10, 28
VARIANTS = 6
DIGITS = "0123456789"


def build_digits(*, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Dataset name -> canonical frame of grey PNG images, light on dark, target first; ``seed`` moves and turns printed digits."""
    return {TARGET: _handwritten(), SOURCE: _printed(seed)}


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@cache
def _handwritten() -> pd.DataFrame:
    import numpy as np
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    images = [_png(np.round(image * (255 / 16)).astype(np.uint8)) for image in digits.images]
    return make_frame(images, [str(label) for label in digits.target])


@cache
def _printed(seed: int) -> pd.DataFrame:
    import numpy as np

    generator = np.random.default_rng(seed)
    images: dict[bytes, str] = {}
    for path in _fonts():
        for digit in DIGITS:
            for variant in range(VARIANTS):
                shift, angle = (
                    (generator.integers(-2, 3, size=2), generator.uniform(-12, 12)) if variant else (np.zeros(2, dtype=int), 0.0)
                )
                pixels = _draw(path, digit, shift=(int(shift[0]), int(shift[1])), angle=float(angle))
                images.setdefault(_png(pixels), digit)
    return make_frame(list(images), list(images.values()))


def _fonts() -> list[Path]:
    """Fonts in matplotlib's own folder whose ten digits are ten different drawings: symbol fonts repeat a box or draw none."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [path for path in sorted(folder.glob("*.ttf")) if _has_digits(path)]


def _has_digits(path: Path) -> bool:
    from fontTools.ttLib import TTFont

    with contextlib.suppress(Exception), TTFont(path, lazy=True) as font:
        is_symbol = any(
            word in path.stem.lower() for word in ("symbol", "lastresort", "cmex", "cmsy", "cmmi", "stixsiz", "stixnonuni")
        )
        return not is_symbol and all(ord(digit) in font.getBestCmap() for digit in DIGITS)
    return False


def _draw(path: Path, digit: str, *, shift: tuple[int, int], angle: float) -> NDArray[np.uint8]:
    """(8, 8) grey pixels of one digit, turned by ``angle`` degrees and moved by ``shift`` 32nds, made as the handwritten are.

    Those are bitmaps of 32 x 32, filled from top to bottom, of which each block of 4 x 4 became one grey value (E. Alpaydin and
    C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998).
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.new("L", (CANVAS, CANVAS), 0)
    font = ImageFont.truetype(str(path), size=FONT_SIZE)
    left, top, right, bottom = font.getbbox(digit)
    corner = ((CANVAS - left - right) / 2, (CANVAS - top - bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, digit, fill=255, font=font)
    turned = canvas.rotate(angle, resample=Image.Resampling.BILINEAR)
    ink = turned.crop(turned.getbbox())
    width = max(NARROWEST, min(WIDEST, round(ink.width * BITMAP_SIDE / ink.height)))
    bitmap = Image.new("L", (BITMAP_SIDE, BITMAP_SIDE), 0)
    bitmap.paste(ink.resize((width, BITMAP_SIDE)), ((BITMAP_SIDE - width) // 2 + shift[0], shift[1]))
    block = BITMAP_SIDE // SIDE
    means = np.asarray(bitmap, dtype=float).reshape(SIDE, block, SIDE, block).mean(axis=(1, 3))
    return np.asarray(means.round(), dtype=np.uint8)
