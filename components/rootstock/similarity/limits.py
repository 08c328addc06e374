"""What a backbone costs, and whether that is more than a candidate may."""

from __future__ import annotations

import io
import json
import struct
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rootstock.backbone import PACKAGE_PREFIX, load_encoder
from rootstock.errors import BackboneError
from rootstock.licence import is_allowed, package_licence
from rootstock.params import Limits
from rootstock.part import Modality

#: Inputs timed, and their length in tokens, where a limit on the time of a row is set.
TIMED_ROWS = 32
TIMED_TOKENS = 32
TIMED_REPEATS = 3
#: Pixels a side of the picture that the processor is given; what comes out of it is timed.
TIMED_SIDE = 64


def over_limit(folder: Path, name: str, limits: Limits, *, modality: Modality) -> str | None:
    """Why this backbone may not be a candidate: the first limit that it breaks, with both numbers; None if it breaks none.

    Where time is limited, raises BackboneError for a backbone that cannot read inputs of the modality.
    """
    if limits.licences is not None and not is_allowed(licence := find_licence(folder, name), limits.licences):
        return f"the backbone's licence is {licence or 'unknown'}, allowed are {', '.join(limits.licences)}"
    if limits.parameters is not None and (found := count_parameters(folder)) > limits.parameters:
        return f"the backbone has {found:,} parameters, at most {limits.parameters:,} allowed"
    if limits.mib is not None and (mib := weights_mib(folder)) > limits.mib:
        return f"the backbone's weights take {mib:.1f} MiB, at most {limits.mib:g} allowed"
    if limits.milliseconds_per_row is not None:
        cost = milliseconds_per_row(folder, modality)
        if cost.milliseconds > limits.milliseconds_per_row:
            allowed = f"at most {limits.milliseconds_per_row:g} allowed"
            return f"the backbone takes {cost.milliseconds:.1f} ms a row of {cost.size}, {allowed}"
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


@dataclass(frozen=True)
class RowCost:
    """What a row takes."""

    milliseconds: float
    size: str
    """of the row, for people"""


@cache
def milliseconds_per_row(folder: Path, modality: Modality) -> RowCost:
    """Processor time of one row in a batch, the best of three: a text of 32 tokens, or an image as the backbone is shown it.

    Its size is what comes out of the modality's processor: convolutional networks name no size of their own, and read any. Raises
    BackboneError for a backbone that cannot read it.
    """
    import torch

    model = load_encoder(folder)
    tensors, size = _timed_rows(folder, modality)
    tensors = {key: tensor.to(model.device) for key, tensor in tensors.items()}
    timings = []
    try:
        with torch.inference_mode():
            for _ in range(TIMED_REPEATS):
                started = time.process_time()
                model(**tensors)
                timings.append(time.process_time() - started)
    except (ValueError, TypeError) as error:  # a vision transformer of another image size, a backbone of another modality
        raise BackboneError(f"{folder}: expected a backbone that reads {size}, found {error}; see data.modality") from error
    return RowCost(1000 * min(timings) / TIMED_ROWS, size)


def _timed_rows(folder: Path, modality: Modality) -> tuple[dict[str, Any], str]:
    import torch

    if modality.name == "text":  # any token: time is all that counts
        return {"input_ids": torch.ones((TIMED_ROWS, TIMED_TOKENS), dtype=torch.long)}, f"{TIMED_TOKENS} tokens"
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (TIMED_SIDE, TIMED_SIDE)).save(buffer, format="PNG")
    tensors = modality.tensors([buffer.getvalue()] * TIMED_ROWS, modality.load_processor(folder))
    high, wide = tensors["pixel_values"].shape[-2:]
    return tensors, f"{high} x {wide} pixels"
