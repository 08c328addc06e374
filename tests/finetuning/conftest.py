"""A toy task on the tiny backbone: rows with their features, and the methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rootstock.data.text import Text
from rootstock.finetuning.bitfit import BitFit
from rootstock.finetuning.dora import Dora
from rootstock.finetuning.full import Full
from rootstock.finetuning.gradient import GradientMethod
from rootstock.finetuning.gradual_unfreezing import GradualUnfreezing
from rootstock.finetuning.ia3 import Ia3
from rootstock.finetuning.last_layers import LastLayers
from rootstock.finetuning.linear_probe import LinearProbe
from rootstock.finetuning.lora import Lora
from rootstock.part import FineTuneMethod, Rows, Start
from rootstock.rows import EncoderSource, bare_encoder

STEPS: dict[str, Any] = {
    "learning_rate": 0.01, "head_learning_rate": 0.05, "weight_decay": 0.01, "batch_rows": 8, "epochs": 4, "warmup_share": 0.1,
    "label_smoothing": 0.0, "class_weights": "equal", "patience": None, "augmentations": (),
}  # fmt: skip
ADAPTER: dict[str, Any] = {
    "rank": 2, "alpha": 4, "dropout": 0.0, "target_modules": ("query", "value"), "last_layers": None, "probe_regularisation": 10.0,
}  # fmt: skip
CLASSES = ("boats", "bread", "stars")


def lora(**changes: Any) -> Lora:
    return Lora(**(STEPS | ADAPTER | changes))


def full(**changes: Any) -> Full:
    return Full(**(STEPS | {"probe_regularisation": None, "layer_decay": 1.0} | changes))


def trained(kind: type[GradientMethod], more: dict[str, Any], *, among: dict[str, Any]) -> Callable[..., FineTuneMethod]:
    """What makes a method from the usual steps, ``more``, and changes; keys that it does not have are left out."""
    whole = STEPS | {"probe_regularisation": 10.0} | among | more
    return lambda **changes: kind(**{key: value for key, value in (whole | changes).items() if key in kind.model_fields})


def probe(*penalties: float) -> LinearProbe:
    return LinearProbe(regularisations=penalties or (0.1, 10.0, 1000.0))


@pytest.fixture(scope="session")
def make_method() -> dict[str, Callable[..., FineTuneMethod]]:
    """How each method is made, by name, with changes."""
    decay = {"layer_decay": 0.5, "epochs_a_layer": 1, "layers": 1}
    return {
        "linear_probe": probe, "lora": lora, "full": full,
        "dora": trained(Dora, {}, among=ADAPTER),
        "ia3": trained(Ia3, {"target_modules": ("key", "value", "output.dense"), "feedforward_modules": ()}, among=ADAPTER),
        "bitfit": trained(BitFit, {}, among={}),
        "last_layers": trained(LastLayers, {}, among=decay),
        "gradual_unfreezing": trained(GradualUnfreezing, {}, among=decay),
    }  # fmt: skip


@dataclass(frozen=True)
class Toy:
    """Rows to learn from and rows to try, with the start they share."""

    start: Start
    train: Rows
    test: Rows
    encoder: EncoderSource
    backbone: Path

    def accuracy(self, probabilities: np.ndarray) -> float:
        return float((probabilities.argmax(axis=1) == self.test.labels).mean())


@pytest.fixture(scope="session")
def toy(tiny_backbone: Path, topic_texts: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("features")
    encoder = bare_encoder(str(tiny_backbone), Text(max_tokens=16), pooling="mean", batch_rows=16, cache_folder=folder)

    def rows(rows_per_class: int, seed: int) -> Rows:
        texts, labels = topic_texts(rows_per_class, seed=seed)
        features = encoder.embed(texts, rows_sha256=str(seed), label="x")
        return Rows(texts, np.array([CLASSES.index(label) for label in labels]), features)

    return Toy(Start(encoder.load, 3, None), rows(16, 1), rows(16, 2), encoder, tiny_backbone)
