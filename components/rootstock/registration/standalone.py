"""Classify texts with this model, using nothing but transformers and peft; and lightgbm, for a head of trees.

    python load.py < texts.txt                 one text a line in, one label a line out
    python load.py --base FOLDER < texts.txt   the pretrained base lies in FOLDER

For an image model each line is the path of an image file (Pillow must be installed). In Python:
``load(folder).probabilities(inputs)``, an input being a text, or the bytes or the path of an image. A file that is not what it was
when the model was saved is refused.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BATCH_ROWS = 32
HASHED = ("*.json", "*.txt", "*.safetensors", "*.model")


class Model(NamedTuple):
    """A loaded model."""

    labels: tuple[str, ...]
    tensors: Callable[[list[Any]], dict[str, Any]]
    encode: Callable[[dict[str, Any]], Any]
    score: Callable[[Any], Any]
    temperature: float

    def probabilities(self, inputs: Sequence[Any]) -> Any:
        """(n, c) probabilities of n >= 1 inputs as a NumPy array, the columns in the order of ``labels``."""
        import torch

        lengths = [0 if isinstance(value, Path) else len(value) for value in inputs]
        order = sorted(range(len(inputs)), key=lengths.__getitem__)  # like lengths together: little is padded
        blocks = []
        with torch.inference_mode():
            for start in range(0, len(order), BATCH_ROWS):
                features = self.encode(self.tensors([inputs[row] for row in order[start : start + BATCH_ROWS]]))
                blocks.append(torch.softmax(self.score(features) / self.temperature, dim=1))
        found = torch.empty_like(torch.cat(blocks))
        found[order] = torch.cat(blocks)
        return found.numpy()


def load(folder: Path, base: str | None = None) -> Model:
    """The model in a folder; ``base`` is where its pretrained base lies, if not under its own name."""
    check_files(folder)
    card = json.loads((folder / "rootstock.json").read_text(encoding="utf-8"))
    score, encoder = load_head(folder), load_encoder(folder, card, base)

    def encode(tensors: dict[str, Any]) -> Any:
        features = pool(encoder(**tensors), tensors, encoder.config, card["pooling"]).double()
        return features / features.norm(dim=1, keepdim=True).clamp(min=1e-12) if card["normalise"] else features

    reader = image_reader(folder, card) if card["modality"]["name"] == "image" else text_reader(folder, card)
    # Models of the first format have neither a temperature nor a seal.
    temperature = card["temperature"] if card["format"] > 1 else 1.0
    return Model(tuple(card["labels"]), reader, encode, score, temperature)


def check_files(folder: Path) -> None:
    """End with one line if a file is not what it was when the model was saved; models of the first format do not say."""
    seal, card = folder / "seal.json", folder / "rootstock.json"
    if not seal.is_file():
        if card.is_file() and json.loads(card.read_text(encoding="utf-8")).get("format") == 1:
            return
        sys.exit(f"{folder}: seal.json is missing; get the model again")
    for name, wanted in json.loads(seal.read_text(encoding="utf-8"))["files"].items():
        path = folder / name
        if not path.is_file():
            sys.exit(f"{folder}: {name} is missing; get the model again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            sys.exit(f"{path}: this is not the file that was saved with the model (its content differs); get the model again")


def base_folder(name: str) -> Path:
    """Folder of the pretrained base: ``package:IMPORT_NAME/FOLDER``, a local folder, or a name on the Hugging Face hub."""
    if name.startswith("package:"):
        package, _, inner = name.removeprefix("package:").partition("/")
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"base {name}: the Python package {package} is not installed; install it or give --base FOLDER")
        return Path(spec.submodule_search_locations[0]) / inner
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=list(HASHED)))


def content_hash(folder: Path) -> str:
    """sha256 over the base's configuration, weights and tokenizer, as it was recorded when the model was trained."""
    files = sorted(path for pattern in HASHED for path in folder.glob(pattern) if path.is_file())
    pairs = [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return hashlib.sha256(json.dumps(pairs, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def load_encoder(folder: Path, card: dict[str, Any], base: str | None) -> Any:
    """The base with the adapters merged in, in order."""
    import torch
    from peft import PeftModel

    if card["base"]["included"]:
        whole = folder / "backbone"
        return auto_class(whole).from_pretrained(whole, use_safetensors=True, dtype=torch.float32).eval()
    found = base_folder(base or card["base"]["name"])
    if content_hash(found) != card["base"]["sha256"]:
        sys.exit(f"{found}: this is not the base {card['base']['name']} that the adapters were trained on (its content differs)")
    encoder = auto_class(found).from_pretrained(found, use_safetensors=True, dtype=torch.float32)
    for adapter in card["adapters"]:
        encoder = PeftModel.from_pretrained(encoder, str(folder / adapter)).merge_and_unload()
    return encoder.eval()


def auto_class(folder: Path) -> Any:
    """What transformers loads a backbone by: of T5 and its kin, the encoder alone."""
    from transformers import AutoConfig, AutoModel, AutoModelForTextEncoding

    is_t5 = AutoConfig.from_pretrained(folder).model_type in ("t5", "mt5", "umt5")
    return AutoModelForTextEncoding if is_t5 else AutoModel


def text_reader(folder: Path, card: dict[str, Any]) -> Callable[[list[Any]], dict[str, Any]]:
    """Texts -> token ids and mask."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    limit = min(card["modality"]["max_tokens"], tokenizer.model_max_length)
    return lambda lines: dict(tokenizer(lines, truncation=True, max_length=limit, padding=True, return_tensors="pt"))


def image_reader(folder: Path, card: dict[str, Any]) -> Callable[[list[Any]], dict[str, Any]]:
    """Images -> pixels (n, 3, side, side), made as in training."""
    import numpy as np
    import torch

    settings, side = folder / "preprocessor_config.json", card["modality"]["side"]
    options = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    if "image_processor_type" in options or "feature_extractor_type" in options:
        processor = image_processor(folder, side)
        return lambda lines: {
            "pixel_values": processor([opened(line) for line in lines], return_tensors="pt")["pixel_values"].float()
        }
    mean = np.asarray(options.get("image_mean", [0.5] * 3), dtype=np.float32)
    deviation = np.asarray(options.get("image_std", [0.5] * 3), dtype=np.float32)

    def read(lines: list[Any]) -> dict[str, Any]:
        pixels = np.stack([np.asarray(opened(line).resize((side, side)), dtype=np.float32) / 255 for line in lines])
        return {"pixel_values": torch.from_numpy(((pixels - mean) / deviation).transpose(0, 3, 1, 2).copy())}

    return read


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


def image_processor(folder: Path, side: int) -> Any:
    """The processor that the folder's file names, with ``side`` pixels coming out; what is cut away stays the same share."""
    from transformers import AutoImageProcessor

    found = AutoImageProcessor.from_pretrained(folder, backend="pil")  # type: ignore[no-untyped-call]
    square = {"height": side, "width": side}
    if hasattr(found, "crop_pct"):
        sizes: dict[str, Any] = {"size": {"shortest_edge": side}, "crop_pct": found.crop_pct or 1.0}
    elif getattr(found, "do_center_crop", False):
        scale = side / found.crop_size["height"]
        sizes = {"size": {key: round(value * scale) for key, value in dict(found.size).items() if value}, "crop_size": square}
    else:
        sizes = {"size": square, "do_resize": True}
    return AutoImageProcessor.from_pretrained(folder, backend="pil", **sizes)  # type: ignore[no-untyped-call]


def pool(outputs: Any, tensors: dict[str, Any], config: Any, pooling: str) -> Any:
    """One vector a row, (n, d)."""
    import torch

    hidden, own, mask = outputs.last_hidden_state, getattr(outputs, "pooler_output", None), tensors.get("attention_mask")
    if hidden.dim() == 4:
        return own if own is not None and own.dim() == 2 else hidden.mean(dim=(2, 3))
    if pooling == "cls":
        return hidden[:, 0]
    patch = getattr(config, "patch_size", None)
    if "pixel_values" in tensors and patch is not None:  # the mean is over patches, not over the special tokens before them
        high, wide = (patch, patch) if isinstance(patch, int) else patch
        special = hidden.shape[1] - (tensors["pixel_values"].shape[-2] // high) * (tensors["pixel_values"].shape[-1] // wide)
        mask = (torch.arange(hidden.shape[1]) >= special)[None]
    if mask is None:
        return hidden.mean(dim=1)
    mask = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def load_head(folder: Path) -> Any:
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


def predict(folder: Path, lines: list[str], base: str | None = None) -> tuple[list[str], Any]:
    """A label for each line, and the probabilities (n, c) in the order of labels.json."""
    import torch

    model = load(folder, base)
    probabilities = torch.from_numpy(model.probabilities(lines))
    return [model.labels[index] for index in probabilities.argmax(dim=1).tolist()], probabilities


def main() -> None:
    """Read lines, print labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", help="folder of the pretrained base; otherwise it is found by the name in rootstock.json")
    options = parser.parse_args()
    lines = [line.rstrip("\n") for line in sys.stdin]
    if lines:
        print(*predict(Path(__file__).resolve().parent, lines, options.base)[0], sep="\n")


if __name__ == "__main__":
    main()
