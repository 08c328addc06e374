"""How a backbone was shown images: what of it is done once, and what is left to do each time an image is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from rootstock.errors import BackboneError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PREPROCESSOR_FILE = "preprocessor_config.json"
#: In which transformers keeps the processors of a backbone that reads texts and images.
JOINT_FILE = "processor_config.json"
#: Keys by which such a file names its processor, today's and the older one.
PROCESSOR_KEYS = ("image_processor_type", "feature_extractor_type")
#: Ends a published processor before it scales, and begins it there.
UNSCALED = {"do_rescale": False, "do_normalize": False}
SCALED_ONLY = {"do_resize": False, "do_center_crop": False, "do_pad": False}

#: Processor of transformers -> its ``scales``.
_SCALES: WeakKeyDictionary[Any, NDArray[np.float32] | None] = WeakKeyDictionary()


def load_processor(folder: Path, side: int) -> Any:
    """See ``Image.load_processor``."""
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
        return _published_processor(folder, side)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, ImportError) as error:
        raise BackboneError(
            f"{path}: expected settings of an image processor that works with Pillow, found others ({error}); "
            "name another backbone, or leave only image_mean and image_std in the file"
        ) from error


def pixels_of(picture: Any, processor: Any, *, side: int) -> NDArray[Any]:
    """(3, side, side) of a picture in grey or RGB: 0 to 255, to be scaled by ``scales``; what the backbone is given where the
    processor has none.
    """
    import numpy as np

    if isinstance(processor, dict):
        seen = np.asarray(picture.resize((side, side)))  # grey is resized once, not three times alike
        return np.broadcast_to(seen, (3, side, side)) if seen.ndim == 2 else seen.transpose(2, 0, 1)
    options = {} if scales(processor, side) is None else UNSCALED
    return np.asarray(processor([picture.convert("RGB")], **options)["pixel_values"][0])


def scales(processor: Any, side: int) -> NDArray[np.float32] | None:
    """(3, 256): for each channel what the backbone is given for a pixel of 0 to 255.

    None for a processor that does not scale each pixel by itself, last of all.
    """
    import numpy as np

    if isinstance(processor, dict):
        mean, deviation = (
            np.asarray(processor.get(name, [0.5] * 3), dtype=np.float32).reshape(-1, 1) for name in ("image_mean", "image_std")
        )
        return np.broadcast_to((np.arange(256, dtype=np.float32) / 255 - mean) / deviation, (3, 256))
    if processor not in _SCALES:
        _SCALES[processor] = _scales(processor, side)
    return _SCALES[processor]


def _scales(processor: Any, side: int) -> NDArray[np.float32] | None:
    """Read off a picture of all values; tried on another that is resized too."""
    import numpy as np
    from PIL import Image as Pictures

    every = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    other = np.random.default_rng(0).integers(0, 256, (side + 3, side + 5, 3), dtype=np.uint8)
    try:
        given = processor([Pictures.fromarray(every)], return_tensors="np", **SCALED_ONLY)["pixel_values"][0]
        found = np.asarray(given, dtype=np.float32).reshape(3, 256)
        unscaled = np.asarray(processor([Pictures.fromarray(other)], **UNSCALED)["pixel_values"][0])
        expected = processor([Pictures.fromarray(other)], return_tensors="pt")["pixel_values"][0].float().numpy()
        if unscaled.dtype == np.uint8 and np.array_equal(scaled(unscaled[None], found)[0], expected):
            return found
    except (ValueError, TypeError, AttributeError, LookupError):  # a processor of another order of steps
        pass
    return None


def scaled(pixels: NDArray[Any], table: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """(n, 3, side, side) as the backbone is given them."""
    import numpy as np

    if table is None:
        return pixels.astype(np.float32, copy=False)
    found = np.empty(pixels.shape, dtype=np.float32)
    for channel, values in enumerate(table):
        np.take(values, pixels[:, channel], out=found[:, channel], mode="clip")  # to check bounds instead, NumPy would copy
    return found


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
