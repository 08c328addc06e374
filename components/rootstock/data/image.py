"""Images: what a row's input is when it is a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rootstock.errors import DataError
from rootstock.part import Modality

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

PREPROCESSOR_FILE = "preprocessor_config.json"


class Image(Modality):
    """One image a row, as the bytes of a PNG, scaled to ``side`` x ``side`` pixels."""

    name: Literal["image"] = "image"
    side: Annotated[int, Field(ge=1)]

    def load_processor(self, folder: Path) -> Any:
        """Mean and standard deviation a channel from the backbone's preprocessor file; 0.5 each where it has none.

        transformers' own image processors need torchvision, of which there is no CPU build for every torch.
        """
        path = folder / PREPROCESSOR_FILE
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """``pixel_values`` (n, 3, side, side), normalised as the backbone was trained."""
        import numpy as np
        import torch

        mean = np.asarray(processor.get("image_mean", [0.5] * 3), dtype=np.float32)
        deviation = np.asarray(processor.get("image_std", [0.5] * 3), dtype=np.float32)
        pixels = (self._pixels(inputs, "RGB") - mean) / deviation
        return {"pixel_values": torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))}

    def lengths(self, inputs: Sequence[Any]) -> NDArray[np.int64]:
        """All alike: nothing is padded."""
        import numpy as np

        return np.ones(len(inputs), dtype=np.int64)

    def surface_features(self, fit_on: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """Grey pixels in 0..1, (n, side * side)."""
        return self._pixels(inputs, "L").reshape(len(inputs), -1)

    def descriptors(self, inputs: Sequence[Any]) -> pd.DataFrame:
        """Brightness, contrast, share of ink, and where its centre lies (0..1): (n, 5)."""
        import numpy as np
        import pandas as pd

        grey = self._pixels(inputs, "L")
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

    def _pixels(self, inputs: Sequence[Any], mode: str) -> NDArray[np.float32]:
        import numpy as np
        from PIL import Image as Pictures
        from PIL import UnidentifiedImageError

        rows = []
        for index, data in enumerate(inputs):
            try:
                picture = Pictures.open(io.BytesIO(data)).convert(mode).resize((self.side, self.side))
            except (UnidentifiedImageError, Pictures.DecompressionBombError, OSError, TypeError, ValueError, SyntaxError) as error:
                raise DataError(f"image {index}: expected the bytes of an image, found {error}; remove or replace it") from error
            rows.append(np.asarray(picture, dtype=np.float32) / 255)
        channels = 3 if mode == "RGB" else 1
        return np.stack(rows).reshape(len(rows), self.side, self.side, channels).astype(np.float32)
