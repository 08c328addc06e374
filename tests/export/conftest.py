"""A tiny BERT and a tiny ResNet as model folders, rows to compare on, and what comes of exporting them."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rootstock.backbone import content_hash
from rootstock.classifier import load_tuned_encoder
from rootstock.export.export import export
from rootstock.export.figures import Export
from rootstock.export.rows import ComparedRows
from rootstock.head import logistic_head

CLASSES = ("boats", "bread", "stars")
SIDE = 32


def needs_edge() -> pytest.MarkDecorator:
    absent = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(absent), reason=f"the optional extra 'edge' is not installed: no {' and no '.join(absent)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("edge"):
            item.add_marker(needs_edge())


def write_folder(folder: Path, base: Path, inputs: list[Any], labels: list[str], **card: Any) -> Path:
    """A model folder on ``base`` whose head is fitted on the rows; adapters that stand there already are named in the card."""
    from safetensors.numpy import save_file

    adapters = sorted(f"adapters/{path.name}" for path in folder.glob("adapters/*"))
    content = {
        "format": 1, "labels": CLASSES, "pooling": "mean", "normalise": True, "adapters": adapters,
        "base": {"name": str(base), "sha256": content_hash(base), "included": False},
    }  # fmt: skip
    (folder / "rootstock.json").write_text(json.dumps(content | card), encoding="utf-8")
    features = load_tuned_encoder(folder).embed(inputs)
    head = logistic_head(features, np.array([CLASSES.index(label) for label in labels]), classes=3, inverse_penalty=100.0)
    save_file({"weight": head.weight.astype("float32"), "bias": head.bias.astype("float32")}, folder / "head.safetensors")
    return folder


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Path]:
    return write_folder


@pytest.fixture(scope="session")
def text_model(
    tiny_backbone: Path, topic_texts: Callable[..., tuple[list[str], list[str]]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """With a LoRA adapter that changes every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("text-model")
    torch.manual_seed(3)
    wrapped = get_peft_model(
        AutoModel.from_pretrained(tiny_backbone), LoraConfig(r=2, lora_alpha=8, target_modules=["query", "value"])
    )
    for key, weight in wrapped.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(weight, std=0.5)
    wrapped.save_pretrained(str(folder / "adapters" / "0-target"))
    for path in (*tiny_backbone.glob("tokenizer*"), tiny_backbone / "vocab.txt"):
        shutil.copy(path, folder)
    return write_folder(folder, tiny_backbone, *topic_texts(12, seed=1), modality={"name": "text", "max_tokens": 12})


@pytest.fixture(scope="session")
def text_rows(topic_texts: Callable[..., tuple[list[str], list[str]]]) -> ComparedRows:
    """Of unlike lengths, some cut."""
    texts, labels = topic_texts(10, seed=2)
    texts[0] += " old near" * 10
    return ComparedRows(texts, labels, "rows.csv", "0" * 64)


@pytest.fixture(scope="session")
def pictures() -> Callable[[int], tuple[list[bytes], list[str]]]:
    """Gives noisy images, in each class another colour."""
    from PIL import Image

    def make(rows_per_class: int) -> tuple[list[bytes], list[str]]:
        random = np.random.default_rng(rows_per_class)
        images, labels = [], []
        for place, label in enumerate(CLASSES * rows_per_class):
            pixels = random.integers(0, 150, size=(20, 24, 3))
            pixels[:, :, place % 3] += 100
            buffer = io.BytesIO()
            Image.fromarray(pixels.astype("uint8")).save(buffer, format="PNG")
            images.append(buffer.getvalue())
            labels.append(label)
        return images, labels

    return make


@pytest.fixture(scope="session")
def image_model(pictures: Callable[[int], tuple[list[bytes], list[str]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet of two small stages, and a preprocessor file with the scale alone."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    base, folder = tmp_path_factory.mktemp("resnet"), tmp_path_factory.mktemp("image-model")
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetModel(config).eval().save_pretrained(base, safe_serialization=True)
    scale = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    for place in (base, folder):
        (place / "preprocessor_config.json").write_text(json.dumps(scale), encoding="utf-8")
    return write_folder(folder, base, *pictures(8), modality={"name": "image", "side": SIDE})


@pytest.fixture(scope="session")
def image_rows(pictures: Callable[[int], tuple[list[bytes], list[str]]]) -> ComparedRows:
    return ComparedRows(*pictures(7), "images", "0" * 64)


@pytest.fixture(scope="session")
def run_export() -> Callable[..., Export]:
    """Export with the settings that no test is about."""

    def run(model: Path, target: Path, rows: ComparedRows, *formats: str, max_loss_points: float = 100.0) -> Export:
        return export(
            model,
            target,
            formats=formats,
            rows=rows,
            name=model.name,
            version=None,
            confidence=0.95,
            max_loss_points=max_loss_points,
        )

    return run
