"""What decoding images once, not once an epoch, saves where every weight is trained, and what reading photographs takes.

Photographs are made up: 1,600 x 1,200 pixels of smooth colours with grain, JPEG. Two backbones of random weights (the time of a
step does not depend on what they know) learn five epochs of them, and of scikit-learn's digits as PNG of 28 x 28 pixels; each in
turn with images decoded once and every epoch. Where they are turned and cut at random every epoch, they are decoded, and scaled
down to twice the pixels a side that the backbone sees, once or not at all. CPU seconds of training, and the last epoch's losses.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rootstock_flows.environment import opt_out
from spread import spread

WIDTH, HEIGHT, MOST_PIXELS = 1600, 1200, 1_000_000
SMALL: dict[str, Any] = {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "layer_type": "basic"}
VIT: dict[str, Any] = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768}
TURNED_AND_CUT = ({"name": "crop", "smallest": 0.7}, {"name": "rotation", "degrees": 10.0})


@dataclass(frozen=True)
class Case:
    """A backbone of random weights, and what it learns."""

    name: str
    architecture: str
    """in transformers"""
    settings: dict[str, Any]
    side: int
    """pixels it sees"""
    images: str
    changed: tuple[dict[str, Any], ...] = ()
    """augmentations, every epoch"""


CASES = (
    Case("ViT, tiny, photographs", "ViT", VIT | {"image_size": 224}, 224, "photographs"),
    Case("ViT, tiny, photographs turned and cut", "ViT", VIT | {"image_size": 224}, 224, "photographs", TURNED_AND_CUT),
    Case("small ResNet, photographs", "ResNet", SMALL, 96, "photographs"),
    Case("small ResNet, photographs turned and cut", "ResNet", SMALL, 96, "photographs", TURNED_AND_CUT),
    Case("small ResNet, digits", "ResNet", SMALL, 28, "digits"),
    Case("small ResNet, digits turned and cut", "ResNet", SMALL, 28, "digits", TURNED_AND_CUT),
)
FULL: dict[str, Any] = {
    "name": "full", "learning_rate": 1e-3, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 16, "epochs": 5,
    "warmup_share": 0.1, "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal", "patience": None,
    "augmentations": [], "layer_decay": 1.0,
}  # fmt: skip


def main() -> None:
    """Print seconds and their ratio, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=int, default=64)
    parser.add_argument("--digits", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    opt_out()
    import torch

    torch.set_num_threads(1)
    taken = {f"{photograph}.jpg": _photograph(photograph) for photograph in range(arguments.photographs)}
    reading = _read(taken)
    given = {"photographs": _photographs(taken), "digits": _digits(arguments.digits)}
    found = {case.name: _measure(case, given[case.images], repeats=arguments.repeats) for case in CASES}
    document = {"figures": found, "reading": reading, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread"}
    print(json.dumps(document, indent=2) if arguments.as_json else _text(document))


def _photograph(seed: int) -> bytes:
    from PIL import Image

    random = np.random.default_rng(seed)
    smooth = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    grain = random.normal(0, 4, (HEIGHT, WIDTH, 1))
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)).save(stream, format="JPEG", quality=90)
    return stream.getvalue()


def _read(taken: dict[str, bytes]) -> dict[str, float]:
    """Wall seconds a photograph of reading a folder, and MiB a photograph before and after, on all cores."""
    from rootstock.table import read_image_folder

    with tempfile.TemporaryDirectory() as folder:
        for name, content in taken.items():
            Path(folder, name).write_bytes(content)
        began = time.perf_counter()
        kept = read_image_folder(Path(folder), most_pixels=MOST_PIXELS)["input"]
        seconds = time.perf_counter() - began
    found = {"seconds": seconds, "mib_before": sum(map(len, taken.values())) / 2**20, "mib_kept": sum(map(len, kept)) / 2**20}
    return {name: round(value / len(taken), 3) for name, value in found.items()}


def _photographs(taken: dict[str, bytes]) -> Any:
    from rootstock.part import Rows
    from rootstock.pictures import kept_bytes

    kept = [kept_bytes(content, most_pixels=MOST_PIXELS) for content in taken.values()]
    return Rows(kept, np.arange(len(kept)) % 10, np.zeros((len(kept), 0)))


def _digits(rows: int) -> Any:
    from PIL import Image
    from rootstock.part import Rows
    from sklearn.datasets import load_digits

    bunch, inputs = load_digits(), []
    for pixels in bunch.images[:rows]:
        stream = io.BytesIO()
        Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((28, 28)).save(stream, format="PNG")
        inputs.append(stream.getvalue())
    return Rows(inputs, bunch.target[:rows], np.zeros((rows, 0)))


def _measure(case: Case, rows: Any, *, repeats: int) -> dict[str, Any]:
    import torch
    import transformers
    from rootstock.data.image import Image
    from rootstock.encoder import Encoder
    from rootstock.finetuning import gradient
    from rootstock.finetuning.pixels import decoded_once, to_be_changed
    from rootstock.part import FineTuneMethod, Start, parse_part

    method = parse_part(FineTuneMethod, FULL | {"augmentations": case.changed})  # type: ignore[type-abstract]

    def load() -> Encoder:
        torch.manual_seed(0)
        config = getattr(transformers, f"{case.architecture}Config")(**case.settings)
        return Encoder(getattr(transformers, f"{case.architecture}Model")(config), {}, Image(side=case.side), "mean", 16)

    seconds: dict[str, list[float]] = {"once": [], "every epoch": []}
    losses: dict[str, float] = {}
    for _ in range(repeats):
        for way in seconds:
            gradient.decoded_once = decoded_once if way == "once" else lambda *_, **__: None
            gradient.to_be_changed = to_be_changed if way == "once" else lambda _, rows, **__: rows.inputs
            began = time.process_time()
            fitted = method.fit(Start(load, 10, None), rows, heldout=None, setting=None, seed=0)
            seconds[way].append(time.process_time() - began)
            losses[way] = fitted.losses[-1]
            print(f"{case.name}, decoded {way}: {seconds[way][-1]:.1f} s", file=sys.stderr, flush=True)
    ratios = [slow / quick for slow, quick in zip(seconds["every epoch"], seconds["once"], strict=True)]
    return {"seconds": {way: spread(each) for way, each in seconds.items()}, "ratio": spread(ratios), "losses": losses}


def _text(document: dict[str, Any]) -> str:
    lines = []
    for name, found in document["figures"].items():
        once, anew = (found["seconds"][way]["median"] for way in ("once", "every epoch"))
        ratio, losses = found["ratio"], found["losses"]
        lines.append(
            f"{name:<42}{anew:5.1f} s decoded every epoch, {once:5.1f} s once: {ratio['median']} times as fast "
            f"[{ratio['low']}, {ratio['high']}]; loss {losses['every epoch']:.4f} and {losses['once']:.4f}"
        )
    reading = document["reading"]
    lines.append(
        f"a photograph is read in {1000 * reading['seconds']:.0f} ms, on all cores, and kept in {reading['mib_kept']} MiB instead "
        f"of {reading['mib_before']}"
    )
    return "\n".join([*lines, document["machine"]])


if __name__ == "__main__":
    main()
