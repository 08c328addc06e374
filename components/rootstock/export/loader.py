"""Classify texts with this model, without Rootstock.

    python load.py < texts.txt        one text a line in, one label a line out

Beside ``model.onnx`` it needs onnxruntime, tokenizers and numpy; beside ``model.safetensors``, transformers and torch. For an image
model each line is the path of an image file, and Pillow is needed too; transformers too, where a ``preprocessor_config.json`` names
how images were prepared; lightgbm, where the head is ``head.lightgbm.txt``. In Python: ``load(folder).probabilities(inputs)``, an
input being a text, or the bytes or the path of an image. ``OMP_NUM_THREADS`` sets the threads.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BATCH_ROWS = 32

Tensors = dict[str, Any]
"""name -> NumPy array with a row an input"""


@dataclass(frozen=True)
class Model:
    """A loaded model."""

    labels: tuple[str, ...]
    read: Callable[[list[Any]], Tensors]
    answer: Callable[[Tensors], Any]

    def probabilities(self, inputs: Sequence[Any]) -> Any:
        """(n, c) probabilities of n >= 1 inputs, the columns in the order of ``labels``; in batches of like length."""
        import numpy as np

        lengths = [0 if isinstance(value, Path) else len(value) for value in inputs]
        order = sorted(range(len(inputs)), key=lengths.__getitem__)
        blocks = [order[start : start + BATCH_ROWS] for start in range(0, len(order), BATCH_ROWS)]
        found = np.concatenate([self.answer(self.read([inputs[row] for row in rows])) for rows in blocks])
        return found[np.argsort(order)]


def load(folder: Path) -> Model:
    """The model in a folder that ``rootstock export`` wrote."""
    settings = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
    is_onnx = (folder / "model.onnx").is_file()
    if settings["modality"] == "image":
        read = published_reader(folder) if settings["published_processor"] else image_reader(settings)
    else:
        read = token_reader(folder) if is_onnx else text_reader(folder, settings)
    return Model(tuple(settings["labels"]), read, onnx_model(folder) if is_onnx else merged_model(folder, settings))


def token_reader(folder: Path) -> Callable[[list[Any]], Tensors]:
    """Token ids and mask by ``tokenizer.json``, which holds the length texts are cut at and how they are padded."""
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def read(texts: list[Any]) -> Tensors:
        found = tokenizer.encode_batch(texts)
        return {
            "input_ids": np.array([row.ids for row in found], dtype=np.int64),
            "attention_mask": np.array([row.attention_mask for row in found], dtype=np.int64),
        }

    return read


def text_reader(folder: Path, settings: dict[str, Any]) -> Callable[[list[Any]], Tensors]:
    """All that the tokenizer gives of texts, as transformers reads it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    limit = settings["max_tokens"]
    return lambda texts: dict(tokenizer(texts, truncation=True, max_length=limit, padding=True, return_tensors="np"))


def opened(image: Any) -> Any:
    """A Pillow image of 8 bits a channel, turned as its camera says, on white, from the bytes or the path of one."""
    from PIL import Image, ImageOps

    picture: Any = ImageOps.exif_transpose(Image.open(io.BytesIO(image) if isinstance(image, bytes) else image))
    if picture.mode.startswith(("I", "F")):
        raise ValueError(f"expected an image of 8 bits a channel, found mode {picture.mode}; scale its values to 0 to 255")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def published_reader(folder: Path) -> Callable[[list[Any]], Tensors]:
    """Pixels as the processor makes them that was published with the backbone."""
    import numpy as np
    from transformers import AutoImageProcessor

    processor: Any = AutoImageProcessor.from_pretrained(folder, backend="pil")  # type: ignore[no-untyped-call]

    def read(images: list[Any]) -> Tensors:
        pixels = processor([opened(image) for image in images], return_tensors="np")["pixel_values"]
        return {"pixel_values": np.asarray(pixels, dtype=np.float32)}

    return read


def image_reader(settings: dict[str, Any]) -> Callable[[list[Any]], Tensors]:
    """Pixels (n, 3, side, side) of whole images, scaled as in training."""
    import numpy as np

    size = (settings["side"], settings["side"])
    mean, deviation = (np.asarray(settings[name], dtype=np.float32) for name in ("image_mean", "image_std"))

    def read(images: list[Any]) -> Tensors:
        pixels = np.stack([np.asarray(opened(image).resize(size), dtype=np.float32) / 255 for image in images])
        return {"pixel_values": np.ascontiguousarray(((pixels - mean) / deviation).transpose(0, 3, 1, 2))}

    return read


def onnx_model(folder: Path) -> Callable[[Tensors], Any]:
    """The graph, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int((os.environ.get("OMP_NUM_THREADS") or "0").split(",")[0])  # 0: as many as there are cores
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda tensors: session.run(["probabilities"], tensors)[0]


def merged_model(folder: Path, settings: dict[str, Any]) -> Callable[[Tensors], Any]:
    """The encoder by transformers, then pooling, unit length and the head."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

    # Of T5 and its kin, texts are read by the encoder alone.
    is_t5 = AutoConfig.from_pretrained(folder).model_type in ("t5", "mt5", "umt5")
    kind = AutoModelForTextEncoding if is_t5 else AutoModel
    encoder = kind.from_pretrained(folder, use_safetensors=True, dtype=torch.float32).eval()
    score = load_head(folder)

    def answer(tensors: Tensors) -> Any:
        given = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        with torch.inference_mode():
            features = pool(encoder(**given), given, encoder.config, settings["pooling"]).double()
            if settings["normalise"]:
                features = features / features.norm(dim=1, keepdim=True).clamp(min=1e-12)
            return torch.softmax(score(features) / settings["temperature"], dim=1).numpy()

    return answer


def load_head(folder: Path) -> Callable[[Any], Any]:
    """Features (n, d) -> scores (n, c): planes, or boosted trees."""
    import torch

    if (folder / "head.lightgbm.txt").is_file():
        import lightgbm

        trees = lightgbm.Booster(model_file=folder / "head.lightgbm.txt")
        return lambda features: torch.from_numpy(trees.predict(features.numpy(), raw_score=True))
    from safetensors.torch import load_file

    head = load_file(folder / "head.safetensors")
    weight, bias = head["weight"].double(), head["bias"].double()
    return lambda features: features @ weight.T + bias


def pool(outputs: Any, given: dict[str, Any], config: Any, pooling: str) -> Any:
    """One vector a row, (n, d)."""
    import torch

    hidden, own, mask = outputs.last_hidden_state, getattr(outputs, "pooler_output", None), given.get("attention_mask")
    if hidden.dim() == 4:
        return own if own is not None and own.dim() == 2 else hidden.mean(dim=(2, 3))
    if pooling == "cls":
        return hidden[:, 0]
    patch = getattr(config, "patch_size", None)
    if "pixel_values" in given and patch is not None:  # the mean is over patches, not over the special tokens before them
        high, wide = (patch, patch) if isinstance(patch, int) else patch
        special = hidden.shape[1] - (given["pixel_values"].shape[-2] // high) * (given["pixel_values"].shape[-1] // wide)
        mask = (torch.arange(hidden.shape[1]) >= special)[None]
    if mask is None:
        return hidden.mean(dim=1)
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def main() -> None:
    """Read lines, print labels."""
    lines = [line.rstrip("\n") for line in sys.stdin]
    if lines:
        model = load(Path(__file__).resolve().parent)
        print(*(model.labels[index] for index in model.probabilities(lines).argmax(axis=1)), sep="\n")


if __name__ == "__main__":
    main()
