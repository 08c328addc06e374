"""Images: what a row's input is when it is a picture."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rootstock.data.image_processor import PREPROCESSOR_FILE, load_processor, pixels_of, scaled, scales
from rootstock.errors import DataError
from rootstock.on_demand import OnDemand
from rootstock.part import Modality
from rootstock.pictures import is_large, pixels_no_finer, plain_picture
from rootstock.threads import in_threads

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SURFACE_SIDE = 32
PROBE_SIDE = 32
#: So many times the pixels a side that a backbone sees are left to what changes an image.
FINER = 2


class Image(Modality):
    """One image a row, as the bytes of a PNG or JPEG; a backbone sees it at ``side`` x ``side`` pixels."""

    name: Literal["image"] = "image"
    side: Annotated[int, Field(ge=1)]

    def load_processor(self, folder: Path) -> Any:
        """How the backbone was shown images: transformers' own processor for Pillow, where the backbone's file names one.

        Resizing, cropping, resampling and scaling are the file's, ``side`` is what comes out. A file that names no processor gives
        mean and standard deviation a channel, 0.5 each where there is none, and the whole image is scaled to ``side``. Raises
        BackboneError for a file that cannot be read or names a processor that needs torchvision, and where the processor stands
        among those of texts and images at once, whose files are not copied with a model.
        """
        return load_processor(folder, self.side)

    def copy_processor(self, base: Path, folder: Path) -> None:
        """The backbone's file as it is, where it has one: what it says of sizes depends on ``side``."""
        if (base / PREPROCESSOR_FILE).is_file():
            shutil.copy2(base / PREPROCESSOR_FILE, folder / PREPROCESSOR_FILE)

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """``pixel_values`` (n, 3, side, side), made as the backbone was trained."""
        return self.tensors_of(self.arrays(inputs, processor), processor)

    def arrays(self, inputs: Sequence[Any], processor: Any) -> list[NDArray[Any]]:
        """Pixels that the backbone sees, (3, side, side) each, before they are scaled."""
        return _each(inputs, lambda picture: pixels_of(picture, processor, side=self.side))

    def tensors_of(self, arrays: Sequence[NDArray[Any]], processor: Any) -> dict[str, Any]:
        """See ``tensors``."""
        import numpy as np
        import torch

        return {"pixel_values": torch.from_numpy(scaled(np.stack(arrays), scales(processor, self.side)))}

    def to_be_changed(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Pixels, of large images scaled down: ``FINER * side`` on the shorter side are enough for a crop to a quarter of them."""
        return OnDemand(lambda row: self._no_finer(inputs[row], row), len(inputs))

    def _no_finer(self, data: bytes, row: int) -> NDArray[np.uint8]:
        try:
            return pixels_no_finer(data, shorter_side=FINER * self.side)
        except ValueError as error:
            raise _unreadable(row, error) from error

    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """All alike: nothing is padded."""
        import numpy as np

        return np.ones(len(inputs), dtype=np.int64)

    def surface_features(self, fit_on: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """Grey pixels in 0..1, (n, s * s) with s at most 32: more would only be noise to a linear model."""
        return self._grey(inputs, min(self.side, SURFACE_SIDE)).reshape(len(inputs), -1)

    def descriptors(self, inputs: Sequence[Any]) -> pd.DataFrame:
        """Brightness, contrast, share of ink, and where its centre lies (0..1): (n, 5)."""
        import numpy as np
        import pandas as pd

        grey = self._grey(inputs, self.side)
        mass = np.maximum(grey.sum(axis=(1, 2)), 1e-9)
        place = np.linspace(0, 1, self.side)
        return pd.DataFrame(
            {
                "brightness": grey.mean(axis=(1, 2)),
                "contrast": grey.std(axis=(1, 2)),
                "ink_share": (grey > 0.5).mean(axis=(1, 2)),
                "centre_row": (grey.sum(axis=2) @ place) / mass,
                "centre_column": (grey.sum(axis=1) @ place) / mass,
            }
        )

    def probes(self) -> tuple[Any, ...]:
        """A ramp, stripes, a spot and a colour, as PNG: what a scale, a size or an order of channels would change."""
        import numpy as np

        place = np.arange(PROBE_SIDE)
        ramp = np.add.outer(place, 2 * place) * 255 // (3 * (PROBE_SIDE - 1))
        stripes = np.tile(place // 4 % 2 * 255, (PROBE_SIDE, 1))
        spot = 255 * (np.hypot(*np.meshgrid(place - 11, place - 20)) < 6)
        grey = [np.repeat(pattern[:, :, None], 3, axis=2) for pattern in (ramp, stripes, spot)]
        coloured = np.stack([ramp, 255 - ramp, spot], axis=2)
        return tuple(_png(pixels.astype(np.uint8)) for pixels in (*grey, coloured))

    def _grey(self, inputs: Sequence[Any], side: int) -> NDArray[np.float32]:
        """(n, side, side) in 0..1."""
        import numpy as np

        rows = _each(inputs, lambda picture: np.asarray(picture.convert("L").resize((side, side)), dtype=np.float32) / 255)
        return np.stack(rows)


def _each(inputs: Sequence[Any], see: Callable[[Any], NDArray[Any]]) -> list[NDArray[Any]]:
    """What is seen of each image, in grey or RGB, by as many threads as PyTorch uses; of small ones by one.

    Those are decoded in less time than handing them to another thread takes.
    """
    import torch

    threads = torch.get_num_threads() if any(map(is_large, inputs)) else 1
    return list(in_threads(lambda row: see(_opened(row[1], row[0])), enumerate(inputs), threads=threads))


def _opened(data: Any, index: int) -> Any:
    """A Pillow image in grey or RGB. Raises DataError naming the row's place in its batch."""
    from PIL import Image as Pictures
    from PIL import UnidentifiedImageError

    try:
        return plain_picture(data)
    except (UnidentifiedImageError, Pictures.DecompressionBombError, OSError, TypeError, ValueError, SyntaxError) as error:
        raise _unreadable(index, error) from error


def _unreadable(index: int, error: Exception) -> DataError:
    return DataError(f"image {index}: expected the bytes of an image, found {error}; remove or replace it")


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
