"""What a backbone costs, and whether that is more than a candidate may."""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path

import yaml

from rootstock.backbone import PACKAGE_PREFIX, load_encoder
from rootstock.licence import is_allowed, package_licence
from rootstock.params import Limits

#: Inputs timed, and their length in tokens, where a limit on the time of a row is set.
TIMED_ROWS = 32
TIMED_TOKENS = 32
TIMED_REPEATS = 3


def over_limit(folder: Path, name: str, limits: Limits) -> str | None:
    """Why this backbone may not be a candidate: the first limit that it breaks, with both numbers; None if it breaks none."""
    if limits.licences is not None and not is_allowed(licence := find_licence(folder, name), limits.licences):
        return f"the backbone's licence is {licence or 'unknown'}, allowed are {', '.join(limits.licences)}"
    if limits.parameters is not None and (found := count_parameters(folder)) > limits.parameters:
        return f"the backbone has {found:,} parameters, at most {limits.parameters:,} allowed"
    if limits.mib is not None and (mib := weights_mib(folder)) > limits.mib:
        return f"the backbone's weights take {mib:.1f} MiB, at most {limits.mib:g} allowed"
    if limits.milliseconds_per_row is not None and (ms := milliseconds_per_row(folder)) > limits.milliseconds_per_row:
        return f"the backbone takes {ms:.1f} ms a row of {TIMED_TOKENS} tokens, at most {limits.milliseconds_per_row:g} allowed"
    return None


def count_parameters(folder: Path) -> int:
    """Numbers in the safetensors files of a folder, read off their headers."""
    return sum(_file_parameters(path) for path in folder.glob("*.safetensors"))


def _file_parameters(path: Path) -> int:
    with path.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            count = 1
            for size in tensor["shape"]:
                count *= size
            total += count
    return total


def weights_mib(folder: Path) -> float:
    """Size on disk of the safetensors files."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20


def find_licence(folder: Path, name: str) -> str | None:
    """The licence a backbone states: in its model card's front matter, else in the metadata of the package that carries it."""
    card = folder / "README.md"
    if card.is_file():
        parts = card.read_text(encoding="utf-8", errors="replace").split("---")
        try:
            stated = yaml.safe_load(parts[1]) if len(parts) > 2 else None
        except yaml.YAMLError:
            stated = None
        if isinstance(stated, dict) and isinstance(stated.get("license"), str):
            return str(stated["license"])
    if name.startswith(PACKAGE_PREFIX):
        return package_licence(name.removeprefix(PACKAGE_PREFIX).partition("/")[0])
    return None


@cache
def milliseconds_per_row(folder: Path) -> float:
    """Processor time of one row in a batch, the best of three; text backbones read 32 tokens, others their own image size."""
    import time

    import torch

    model = load_encoder(folder)
    config = model.config
    if hasattr(config, "vocab_size"):
        tensors = {"input_ids": torch.ones((TIMED_ROWS, TIMED_TOKENS), dtype=torch.long)}  # any token: time is all that counts
    else:
        size = getattr(config, "image_size", None) or 224
        tensors = {"pixel_values": torch.zeros((TIMED_ROWS, getattr(config, "num_channels", 3), size, size))}
    tensors = {key: tensor.to(model.device) for key, tensor in tensors.items()}
    timings = []
    with torch.inference_mode():
        for _ in range(TIMED_REPEATS):
            started = time.process_time()
            model(**tensors)
            timings.append(time.process_time() - started)
    return 1000 * min(timings) / TIMED_ROWS
