"""An int8 model that is worse for a reason of its own: one channel whose values dwarf the others, as language models have them.

Such a channel costs nothing in fp32. In int8 it takes the whole scale of the activations, and the others round to zero.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rootstock.backbone import load_encoder
from rootstock.errors import Refusal
from rootstock.export.figures import Export
from rootstock.export.rows import ComparedRows

ALLOWED_POINTS = 2.0
OUTLIER = 1000.0

pytestmark = pytest.mark.edge
Run = Callable[..., Export]
Texts = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture(scope="module")
def rows(topic_texts: Texts) -> ComparedRows:
    return ComparedRows(*topic_texts(100, seed=2), "rows.csv", "0" * 64)


@pytest.fixture(scope="module")
def sound(
    tiny_backbone: Path, topic_texts: Texts, write_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return _model(1.0, tiny_backbone, topic_texts, write_model, tmp_path_factory)


@pytest.fixture(scope="module")
def with_outlier(
    tiny_backbone: Path, topic_texts: Texts, write_model: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return _model(OUTLIER, tiny_backbone, topic_texts, write_model, tmp_path_factory)


def _model(factor: float, backbone: Path, texts: Texts, write: Callable[..., Path], temporary: pytest.TempPathFactory) -> Path:
    """In each layer one channel of the values is as many times larger, and what reads it as many times less."""
    import torch

    base = Path(shutil.copytree(backbone, temporary.mktemp("outlier") / "base"))
    encoder = load_encoder(base)
    with torch.no_grad():
        for layer in encoder.encoder.layer:
            value, reader = layer.attention.self.value, layer.attention.output.dense
            value.weight[0] *= factor
            value.bias[0] *= factor
            reader.weight[:, 0] /= factor
    encoder.save_pretrained(base, safe_serialization=True)
    folder = temporary.mktemp("outlier-model")
    for path in (*base.glob("tokenizer*"), base / "vocab.txt"):
        shutil.copy(path, folder)
    return write(folder, base, *texts(40, seed=1), modality={"name": "text", "max_tokens": 12})


def test_an_int8_model_that_lost_three_points_is_refused(
    run_export: Run, with_outlier: Path, rows: ComparedRows, tmp_path: Path
) -> None:
    measured = run_export(with_outlier, tmp_path / "measured", rows, "onnx-int8").formats[0].points_lost
    assert measured is not None
    assert measured.value >= 3
    said = rf"^onnx-int8: expected a loss of at most 2 points, found {measured.value:.1f} points of accuracy .* on 300 rows"
    with pytest.raises(Refusal, match=said) as caught:
        run_export(with_outlier, tmp_path / "out", rows, "onnx-int8", max_loss_points=ALLOWED_POINTS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_same_model_in_fp32_loses_nothing(run_export: Run, with_outlier: Path, rows: ComparedRows, tmp_path: Path) -> None:
    [found] = run_export(with_outlier, tmp_path / "out", rows, "onnx", max_loss_points=ALLOWED_POINTS).formats
    assert found.equal_labels.value == 1.0
    assert found.largest_difference < 1e-4


def test_int8_without_the_outlier_is_let_through(run_export: Run, sound: Path, rows: ComparedRows, tmp_path: Path) -> None:
    [found] = run_export(sound, tmp_path / "out", rows, "onnx-int8", max_loss_points=ALLOWED_POINTS).formats
    assert found.points_lost is not None
    assert found.points_lost.value <= ALLOWED_POINTS
