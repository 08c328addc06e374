"""Ten letters drawn in different hands: a family of images whose domains differ in fonts, in case, in outline and in grain.

Drawn from the fonts that come with matplotlib, so nothing has to be at hand.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

LETTERS = "ABCDEFGHIJ"
ROWS = 2400
SIDE, CANVAS, FONT_SIZE = 28, 112, 76
UPRIGHT = ("DejaVuSans", "DejaVuSans-Bold", "cmss10")


@dataclass(frozen=True)
class Hand:
    """How the letters of a domain are drawn."""

    fonts: tuple[str, ...]
    lower: bool = False
    outline: bool = False
    grain: float = 0.0
    """standard deviation of the noise over the brightness, after blurring; 0: neither"""


HANDS: Mapping[str, Hand] = {
    "sans": Hand(UPRIGHT),
    "serif": Hand(("DejaVuSerif", "DejaVuSerif-Bold", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmb10")),
    "typewriter": Hand(("DejaVuSansMono", "DejaVuSansMono-Bold", "cmtt10")),
    "slanted": Hand(("DejaVuSans-Oblique", "DejaVuSerif-Italic", "STIXGeneralItalic", "DejaVuSansMono-Oblique", "cmmi10")),
    "lower-case": Hand((*UPRIGHT, "DejaVuSerif", "cmr10"), lower=True),
    "outlined": Hand(("DejaVuSans-Bold", "DejaVuSerif-Bold"), outline=True),
    "grainy": Hand((*UPRIGHT, "DejaVuSerif", "cmtt10"), grain=0.15),
}


def letters() -> dict[str, pd.DataFrame]:
    """Columns ``input`` (PNG, light on dark) and ``label``, by domain."""
    return {name: _drawn(name, hand) for name, hand in HANDS.items()}


def _drawn(name: str, hand: Hand) -> pd.DataFrame:
    random = np.random.default_rng(zlib.crc32(name.encode()))
    found: dict[bytes, str] = {}
    while len(found) < ROWS:
        letter = LETTERS[len(found) % len(LETTERS)]
        font = hand.fonts[int(random.integers(len(hand.fonts)))]
        found[_png(_letter(letter.lower() if hand.lower else letter, font, hand, random))] = letter
    return pd.DataFrame({"input": list(found), "label": list(found.values())})


def _letter(letter: str, font: str, hand: Hand, random: np.random.Generator) -> NDArray[np.uint8]:
    """(28, 28) pixels: moved by up to two, turned by up to 15 degrees, up to a fifth larger or smaller."""
    size = round(FONT_SIZE * random.uniform(0.8, 1.2))
    canvas = Image.new("L", (CANVAS, CANVAS), 0)
    moved = CANVAS / 2 + random.uniform(-2, 2, 2) * CANVAS / SIDE
    stroke: dict[str, Any] = {"fill": 0, "stroke_width": 4, "stroke_fill": 255} if hand.outline else {"fill": 255}
    ImageDraw.Draw(canvas).text(tuple(moved), letter, font=_font(font, size), anchor="mm", **stroke)
    turned = canvas.rotate(random.uniform(-15, 15), resample=Image.Resampling.BILINEAR)
    if hand.grain:
        turned = turned.filter(ImageFilter.GaussianBlur(3))
    pixels = np.asarray(turned.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=float)
    pixels = 0.6 * pixels + random.normal(60, 255 * hand.grain, pixels.shape) if hand.grain else pixels
    return np.clip(pixels, 0, 255).astype(np.uint8)


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size=size)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
