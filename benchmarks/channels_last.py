"""Convolutions with the channels of a pixel side by side, and with one plane a channel, on a CPU: seconds forwards and in training.

Backbones of random weights and the sizes that are published, or as here. ``load_encoder`` lays a backbone out the first way where
most of its weights are in convolutions. Both ways take turns in one process, on one thread; printed is how many times as fast the
first is, the median over rounds with their range.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rootstock.architecture import SMALL_RESNET
from rootstock.backbone import is_convolutional
from spread import spread

#: Name -> architecture in transformers, its settings, pixels a side, images a batch, batches a turn.
BACKBONES: dict[str, tuple[str, dict[str, Any], int, int, int]] = {
    "small ResNet": ("ResNet", SMALL_RESNET, 32, 32, 20),
    "ResNet-18": ("ResNet", {"hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "layer_type": "basic"}, 224, 8, 2),
    "ResNet-50": ("ResNet", {}, 224, 8, 2),
    "MobileNetV2": ("MobileNetV2", {}, 224, 8, 2),
    "ConvNeXt, half as wide as tiny": ("ConvNext", {"hidden_sizes": [48, 96, 192, 384], "depths": [3, 3, 9, 3]}, 224, 8, 2),
}


def main() -> None:
    """Print ratios, or with ``--json`` one document."""
    import torch
    import transformers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name, (architecture, settings, side, images, batches) in BACKBONES.items():
        torch.manual_seed(0)
        make = getattr(transformers, f"{architecture}Model")
        planes = make(getattr(transformers, f"{architecture}Config")(**settings))
        beside = make(planes.config).to(memory_format=torch.channels_last)
        pixels = torch.rand(images, 3, side, side)
        ratios: dict[str, list[float]] = {"forwards": [], "training": []}
        for _ in range(given.rounds):
            for what, work in (("forwards", forwards), ("training", training)):
                seconds = [clock(partial(work, model, pixels), batches) for model in (planes, beside)]
                ratios[what].append(seconds[0] / seconds[1])
        found[name] = {what: spread(each) for what, each in ratios.items()} | {"laid_out_so": is_convolutional(planes)}
    document = {"figures": found, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread"}
    print(json.dumps(document, indent=2) if given.as_json else _text(found))


def forwards(model: Any, pixels: Any) -> None:
    import torch

    with torch.inference_mode():
        model.eval()(pixels)


def training(model: Any, pixels: Any) -> None:
    model.train()(pixels).last_hidden_state.sum().backward()


def clock(work: Callable[[], None], times: int) -> float:
    """CPU seconds."""
    began = time.process_time()
    for _ in range(times):
        work()
    return time.process_time() - began


def _text(found: dict[str, Any]) -> str:
    lines = [f"{'times as fast':<32}{'forwards':<22}{'in training':<22}laid out so"]
    for name, each in found.items():
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*each[what].values()) for what in ("forwards", "training")]
        lines.append(f"{name:<32}{cells[0]:<22}{cells[1]:<22}{'yes' if each['laid_out_so'] else 'no'}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
