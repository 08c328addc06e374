"""Images as arrays: the .npz files in which small data sets are passed around."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ARRAYS_ENDING = ".npz"
#: What a file may hold: the array of images, that of their labels, and the split that the names declare.
PAIRS = (("images", "labels", None), ("train_images", "train_labels", "train"), ("test_images", "test_labels", "test"))
CHANNELS = (1, 3, 4)


def read_image_arrays(path: Path) -> pd.DataFrame:
    """Columns ``input`` (the bytes of a PNG), ``label`` (text), ``place`` (for messages), and ``split`` where names declare one.

    Images are uint8, (n, h, w) or (n, h, w, c) with 1, 3 or 4 channels; labels are (n,) integers or texts. Raises DataError naming
    the file and the array that is missing, of another shape or type, or cannot be read. No pickled array is opened.
    """
    import pandas as pd

    arrays = _load(path)
    pairs = [pair for pair in PAIRS if pair[0] in arrays]
    splits = [split for *_, split in pairs]
    if not pairs or (None in splits and len(splits) > 1) or splits == ["test"]:
        raise DataError(
            f"{path}: expected the arrays images and labels, or train_images, train_labels, test_images and test_labels, "
            f"found {', '.join(arrays) or 'none'}; rename them"
        )
    parts = []
    for images, labels, split in pairs:
        rows = _rows(path, arrays, images=images, labels=labels)
        parts.append(rows if split is None else rows.assign(split=split))
    return pd.concat(parts, ignore_index=True)


def _load(path: Path) -> dict[str, Any]:
    """The arrays by name, whole in memory."""
    import zipfile
    import zlib

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: expected arrays that numpy.savez wrote, found a file that cannot be read ({error}); write it again"
        ) from error


def _rows(path: Path, arrays: Mapping[str, Any], *, images: str, labels: str) -> pd.DataFrame:
    import pandas as pd
    from tqdm import tqdm

    pixels = _checked_images(path, images, arrays[images])
    if labels not in arrays:
        raise DataError(f"{path}: expected the array {labels} beside {images}, found only {', '.join(arrays)}; add the labels")
    names = arrays[labels]
    if names.shape != (len(pixels),) or names.dtype.kind not in "iuUS":
        raise DataError(
            f"{path}: expected {labels} as ({len(pixels)},) integers or texts, one for each image, "
            f"found {names.shape} of type {names.dtype}; write it again"
        )
    try:
        texts = [name.decode() if isinstance(name, bytes) else str(name) for name in names.tolist()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected {labels} in UTF-8, found {error.object!r}; write them as texts") from error
    encoded = [_png(image) for image in tqdm(pixels, desc=f"reading {images}", disable=None, leave=False, file=sys.stderr)]
    return pd.DataFrame({"input": encoded, "label": texts, "place": [f"{images}[{row}]" for row in range(len(pixels))]})


def _checked_images(path: Path, name: str, pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """(n, h, w) or (n, h, w, c) bytes; a single channel has no axis of its own."""
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in CHANNELS):
        raise DataError(
            f"{path}: expected {name} as (n, h, w) or (n, h, w, c) with 1, 3 or 4 channels, found {pixels.shape}; "
            "move its axes, channels last"
        )
    if 0 in pixels.shape:
        raise DataError(f"{path}: expected images in {name}, found an array of zero size, {pixels.shape}; write it again")
    if pixels.dtype.name != "uint8":
        raise DataError(f"{path}: expected {name} as uint8, 0 to 255, found {pixels.dtype}; scale and convert it")
    return pixels[..., 0] if pixels.ndim == 4 and pixels.shape[3] == 1 else pixels


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
