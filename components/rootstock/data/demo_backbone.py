"""The image demo's backbone: a small residual network with random weights, for there is no pretrained one to be had offline.

It knows nothing until the ``tune`` stage trains it on the source, so what the target gains from it is the source's alone.
"""

from __future__ import annotations

import json
from pathlib import Path

from rootstock.files import new_folder, write_text

BACKBONE = Path("backbones") / "small-resnet"
SEED = 0
#: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, cut down to 32 x 32 pixels.
SHAPE = {
    "num_channels": 3,
    "embedding_size": 16,
    "hidden_sizes": [16, 32, 64],
    "depths": [1, 1, 1],
    "layer_type": "basic",
    "downsample_in_first_stage": False,
}
PREPROCESSOR = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": 32, "width": 32}}


def build_backbone(folder: Path, *, seed: int = SEED) -> Path:
    """Write config, random weights as safetensors and preprocessor file to ``folder``; the same seed gives the same bytes.

    What stands there already is left as it is.
    """
    if (folder / "config.json").is_file():
        return folder
    import torch
    from transformers import ResNetConfig, ResNetModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ResNetModel(ResNetConfig(**SHAPE))  # type: ignore[arg-type]
    with new_folder(folder) as draft:
        model.save_pretrained(draft, safe_serialization=True)
        write_text(draft / "preprocessor_config.json", json.dumps(PREPROCESSOR, indent=2) + "\n")
    return folder
