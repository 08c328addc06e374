"""The image demo's backbone: a small residual network with random weights, for there is no pretrained one to be had offline.

It knows nothing until the ``tune`` stage trains it on the source, so what the target gains from it is the source's alone.
"""

from __future__ import annotations

from pathlib import Path

from rootstock.architecture import writer
from rootstock.files import new_folder

BACKBONE = Path("backbones") / "small-resnet"
SEED = 0


def build_backbone(folder: Path, *, seed: int = SEED, architecture: str | None = None) -> Path:
    """Write config, random weights as safetensors and preprocessor file to ``folder``; the same seed gives the same bytes.

    The small residual network where no other ``architecture`` is named. What stands there already is left as it is.
    """
    if (folder / "config.json").is_file():
        return folder
    with new_folder(folder) as draft:
        writer(architecture, modality="image")[1](draft, seed, None)
    return folder
