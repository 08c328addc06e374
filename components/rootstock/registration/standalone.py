"""Classify texts with this model, using nothing but transformers and peft.

    python load.py < texts.txt                 one text a line in, one label a line out
    python load.py --base FOLDER < texts.txt   the pretrained base lies in FOLDER

For an image model each line is the path of an image file (Pillow must be installed).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

BATCH_ROWS = 32
HASHED = ("*.json", "*.txt", "*.safetensors", "*.model")


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
    from transformers import AutoModel

    if card["base"]["included"]:
        return AutoModel.from_pretrained(folder / "backbone", use_safetensors=True, dtype=torch.float32).eval()
    found = base_folder(base or card["base"]["name"])
    if content_hash(found) != card["base"]["sha256"]:
        sys.exit(f"{found}: this is not the base {card['base']['name']} that the adapters were trained on (its content differs)")
    encoder = AutoModel.from_pretrained(found, use_safetensors=True, dtype=torch.float32)
    for adapter in card["adapters"]:
        encoder = PeftModel.from_pretrained(encoder, str(folder / adapter)).merge_and_unload()
    return encoder.eval()


def text_tensors(folder: Path, card: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """Token ids and mask of texts."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    limit = min(card["modality"]["max_tokens"], tokenizer.model_max_length)
    return dict(tokenizer(lines, truncation=True, max_length=limit, padding=True, return_tensors="pt"))


def image_tensors(folder: Path, card: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """Pixels (n, 3, side, side) of image files, made as in training."""
    import numpy as np
    import torch
    from PIL import Image

    settings = folder / "preprocessor_config.json"
    options = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
    pictures, side = [Image.open(line).convert("RGB") for line in lines], card["modality"]["side"]
    if "image_processor_type" in options or "feature_extractor_type" in options:
        return {"pixel_values": image_processor(folder, side)(pictures, return_tensors="pt")["pixel_values"].float()}
    pixels = np.stack([np.asarray(picture.resize((side, side)), dtype=np.float32) / 255 for picture in pictures])
    mean = np.asarray(options.get("image_mean", [0.5] * 3), dtype=np.float32)
    deviation = np.asarray(options.get("image_std", [0.5] * 3), dtype=np.float32)
    return {"pixel_values": torch.from_numpy(((pixels - mean) / deviation).transpose(0, 3, 1, 2).copy())}


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


def predict(folder: Path, lines: list[str], base: str | None = None) -> tuple[list[str], Any]:
    """A label for each line, and the probabilities (n, c) in the order of labels.json."""
    import torch
    from safetensors.torch import load_file

    card = json.loads((folder / "rootstock.json").read_text(encoding="utf-8"))
    head = load_file(folder / "head.safetensors")
    encoder = load_encoder(folder, card, base)
    to_tensors = image_tensors if card["modality"]["name"] == "image" else text_tensors
    blocks = []
    with torch.inference_mode():
        for start in range(0, len(lines), BATCH_ROWS):
            tensors = to_tensors(folder, card, lines[start : start + BATCH_ROWS])
            features = pool(encoder(**tensors), tensors, encoder.config, card["pooling"]).double()
            if card["normalise"]:
                features = features / features.norm(dim=1, keepdim=True).clamp(min=1e-12)
            blocks.append(torch.softmax(features @ head["weight"].double().T + head["bias"].double(), dim=1))
    probabilities = torch.cat(blocks)
    return [card["labels"][index] for index in probabilities.argmax(dim=1).tolist()], probabilities


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
