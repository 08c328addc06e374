"""Images: what a row's input is when it is a picture."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rootstock.errors import BackboneError, DataError
from rootstock.part import Modality
from rootstock.pictures import flattened

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

PREPROCESSOR_FILE = "preprocessor_config.json"
#: In which transformers keeps the processors of a backbone that reads texts and images.
JOINT_FILE = "processor_config.json"
#: Keys by which such a file names its processor, today's and the older one.
PROCESSOR_KEYS = ("image_processor_type", "feature_extractor_type")
SURFACE_SIDE = 32
PROBE_SIDE = 32


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
        path = folder / PREPROCESSOR_FILE
        if not path.is_file():
            _refuse_hidden_processor(folder)
            return {}
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(settings, dict):
                raise ValueError(f"{type(settings).__name__} instead of a mapping")
            if not any(key in settings for key in PROCESSOR_KEYS):
                _refuse_scale(settings)
                return settings
            return _published_processor(folder, self.side)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, ImportError) as error:
            raise BackboneError(
                f"{path}: expected settings of an image processor that works with Pillow, found others ({error}); "
                "name another backbone, or leave only image_mean and image_std in the file"
            ) from error

    def copy_processor(self, base: Path, folder: Path) -> None:
        """The backbone's file as it is, where it has one: what it says of sizes depends on ``side``."""
        if (base / PREPROCESSOR_FILE).is_file():
            shutil.copy2(base / PREPROCESSOR_FILE, folder / PREPROCESSOR_FILE)

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """``pixel_values`` (n, 3, side, side), made as the backbone was trained."""
        import numpy as np
        import torch

        if not isinstance(processor, dict):
            pictures = [_opened(data, index, "RGB") for index, data in enumerate(inputs)]
            return {"pixel_values": processor(pictures, return_tensors="pt")["pixel_values"].float()}
        mean = np.asarray(processor.get("image_mean", [0.5] * 3), dtype=np.float32)
        deviation = np.asarray(processor.get("image_std", [0.5] * 3), dtype=np.float32)
        pixels = (self._pixels(inputs, "RGB", self.side) - mean) / deviation
        return {"pixel_values": torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))}

    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """All alike: nothing is padded."""
        import numpy as np

        return np.ones(len(inputs), dtype=np.int64)

    def surface_features(self, fit_on: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """Grey pixels in 0..1, (n, s * s) with s at most 32: more would only be noise to a linear model."""
        return self._pixels(inputs, "L", min(self.side, SURFACE_SIDE)).reshape(len(inputs), -1)

    def descriptors(self, inputs: Sequence[Any]) -> pd.DataFrame:
        """Brightness, contrast, share of ink, and where its centre lies (0..1): (n, 5)."""
        import numpy as np
        import pandas as pd

        grey = self._pixels(inputs, "L", self.side)
        grey = grey.reshape(len(inputs), self.side, self.side)
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

    def _pixels(self, inputs: Sequence[Any], mode: str, side: int) -> NDArray[np.float32]:
        """(n, side, side, channels) in 0..1."""
        import numpy as np

        rows = [
            np.asarray(_opened(data, index, mode).resize((side, side)), dtype=np.float32) / 255 for index, data in enumerate(inputs)
        ]
        channels = 3 if mode == "RGB" else 1
        return np.stack(rows).reshape(len(rows), side, side, channels).astype(np.float32)


def _opened(data: Any, index: int, mode: str) -> Any:
    """A Pillow image of this mode. Raises DataError naming the row's place in its batch."""
    from PIL import Image as Pictures
    from PIL import UnidentifiedImageError

    try:
        return flattened(Pictures.open(io.BytesIO(data))).convert(mode)
    except (UnidentifiedImageError, Pictures.DecompressionBombError, OSError, TypeError, ValueError, SyntaxError) as error:
        raise DataError(f"image {index}: expected the bytes of an image, found {error}; remove or replace it") from error


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image as Pictures

    buffer = io.BytesIO()
    Pictures.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def _refuse_scale(settings: dict[str, Any]) -> None:
    """Raise ValueError unless mean and standard deviation are those of one channel or of three."""
    import numpy as np

    for name in ("image_mean", "image_std"):
        values = np.atleast_1d(np.asarray(settings.get(name, 0.5), dtype=np.float64))
        whole = values.shape in ((1,), (3,)) and np.isfinite(values).all()
        if not whole or (name == "image_std" and not (values > 0).all()):
            raise ValueError(f"{name} {settings[name]} instead of three numbers")


def _refuse_hidden_processor(folder: Path) -> None:
    path = folder / JOINT_FILE
    if path.is_file() and "image_processor" in path.read_text(encoding="utf-8"):
        raise BackboneError(
            f"{folder}: expected {PREPROCESSOR_FILE}, found an image processor in {JOINT_FILE} only; write it by "
            "AutoImageProcessor.from_pretrained(folder).save_pretrained(folder) of transformers"
        )


def _published_processor(folder: Path, side: int) -> Any:
    """The processor that the folder's file names, with ``side`` pixels coming out; what is cut away stays the same share."""
    from PIL import Image as Pictures
    from transformers import AutoImageProcessor

    found = AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)  # type: ignore[no-untyped-call]
    square = {"height": side, "width": side}
    if hasattr(found, "crop_pct"):  # ConvNeXt and ResNet: resized to side / crop_pct, then the middle
        sizes: dict[str, Any] = {"size": {"shortest_edge": side}, "crop_pct": found.crop_pct or 1.0}
    elif getattr(found, "do_center_crop", False):
        scale = side / found.crop_size["height"]
        sizes = {"size": {key: round(value * scale) for key, value in dict(found.size).items() if value}, "crop_size": square}
    else:
        sizes = {"size": square, "do_resize": True}
    made = AutoImageProcessor.from_pretrained(folder, backend="pil", **sizes)  # type: ignore[no-untyped-call]
    seen = made([Pictures.new("RGB", (side + 3, side + 5))], return_tensors="pt")["pixel_values"].shape
    if tuple(seen) != (1, 3, side, side):
        raise ValueError(f"pixels {tuple(seen[1:])} instead of {(3, side, side)}")
    return made
