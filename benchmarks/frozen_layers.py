"""What computing frozen layers once saves on images: the last layer, or stage, of three backbones learns handwritten digits.

scikit-learn's digits at 224 x 224 pixels, small backbones of random weights (the time of a step does not depend on what they know),
five epochs; cut above the frozen layers and whole, in turn. CPU seconds of training, loading not counted; losses tell whether both
learned the same.
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
from pathlib import Path
from typing import Any

from rootstock_flows.environment import opt_out
from spread import spread

SIDE = 224
TRANSFORMER = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "image_size": SIDE}
#: Name -> architecture in transformers, its settings.
BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "ViT, tiny": ("ViT", TRANSFORMER | {"intermediate_size": 768, "patch_size": 16}),
    "DINOv2, tiny": ("Dinov2", TRANSFORMER | {"mlp_ratio": 4, "patch_size": 14}),
    "ConvNeXt, half as wide as tiny": ("ConvNext", {"hidden_sizes": [48, 96, 192, 384], "depths": [3, 3, 9, 3]}),
}
LAST_LAYER: dict[str, Any] = {
    "name": "last_layers", "layers": 1, "learning_rate": 1e-4, "head_learning_rate": 1e-2, "weight_decay": 0.01, "batch_rows": 16,
    "epochs": 5, "warmup_share": 0.1, "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal",
    "patience": None, "augmentations": [],
}  # fmt: skip
SAME_LOSS = 0.01


def main() -> None:
    """Print seconds and their ratio, or with ``--json`` one document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", dest="as_json")
    arguments = parser.parse_args()
    opt_out()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = {name: _measure(name, Path(folder), rows=arguments.rows, repeats=arguments.repeats) for name in BACKBONES}
    document = {"figures": found, "machine": f"{platform.machine()}, {os.cpu_count()} cores, one thread"}
    print(json.dumps(document, indent=2) if arguments.as_json else _text(document))


def _measure(name: str, folder: Path, *, rows: int, repeats: int) -> dict[str, Any]:
    import torch
    import transformers
    from rootstock.data.image import Image
    from rootstock.finetuning import gradient
    from rootstock.finetuning.frozen_prefix import split_encoder
    from rootstock.part import FineTuneMethod, Start, parse_part
    from rootstock.rows import bare_encoder

    architecture, settings = BACKBONES[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{architecture}Config")(**settings)
    getattr(transformers, f"{architecture}Model")(config).save_pretrained(folder / architecture)
    source = bare_encoder(str(folder / architecture), Image(side=SIDE), pooling="mean", batch_rows=16, cache_folder=folder)
    method = parse_part(FineTuneMethod, LAST_LAYER)  # type: ignore[type-abstract]
    given = _digits(rows)
    seconds: dict[str, list[float]] = {"once": [], "every epoch": []}
    losses: dict[str, float] = {}
    for _ in range(repeats):
        for way in seconds:
            encoder = source.load()
            gradient.split_encoder = split_encoder if way == "once" else lambda *_: None
            began = time.process_time()
            fitted = method.fit(Start(lambda encoder=encoder: encoder, 10, None), given, heldout=None, setting=None, seed=0)  # type: ignore[misc]
            seconds[way].append(time.process_time() - began)
            losses[way] = fitted.losses[-1]
            print(f"{name}, {way}: {seconds[way][-1]:.1f} s", file=sys.stderr, flush=True)
    ratios = [slow / quick for slow, quick in zip(seconds["every epoch"], seconds["once"], strict=True)]
    return {
        "seconds": {way: spread(each) for way, each in seconds.items()},
        "ratio": spread(ratios),
        "losses": {way: round(loss, 4) for way, loss in losses.items()},
        "same": abs(losses["once"] - losses["every epoch"]) <= SAME_LOSS,
    }


def _digits(rows: int) -> Any:
    import numpy as np
    from PIL import Image
    from rootstock.part import Rows
    from sklearn.datasets import load_digits

    bunch = load_digits()
    inputs = []
    for pixels in bunch.images[:rows]:
        stream = io.BytesIO()
        Image.fromarray((pixels * 15.9).astype(np.uint8)).resize((SIDE, SIDE)).convert("RGB").save(stream, format="PNG")
        inputs.append(stream.getvalue())
    return Rows(inputs, bunch.target[:rows], np.zeros((rows, 0)))


def _text(document: dict[str, Any]) -> str:
    lines = []
    for name, found in document["figures"].items():
        once, anew = (found["seconds"][way]["median"] for way in ("once", "every epoch"))
        ratio, losses = found["ratio"], found["losses"]
        lines.append(
            f"{name:<32}{anew:5.1f} s computed anew every epoch, {once:5.1f} s once: {ratio['median']} times as fast "
            f"[{ratio['low']}, {ratio['high']}]; loss {losses['every epoch']} and {losses['once']}"
        )
    return "\n".join([*lines, document["machine"]])


if __name__ == "__main__":
    main()
