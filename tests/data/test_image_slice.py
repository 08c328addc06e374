"""Images through the same stages as texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rootstock.backbone import content_hash, load_encoder
from rootstock.classifier import Classifier, read_card
from rootstock.data.demo_backbone import build_backbone
from rootstock.data.image import Image
from rootstock.finetuning.full import Full
from rootstock.finetuning.save import Lineage, save_model
from rootstock.params import load_params
from rootstock.part import Rows, Start
from rootstock.rows import bare_encoder

ROOT = Path(__file__).parents[2]
FULL = {
    "name": "full", "learning_rate": 3e-3, "head_learning_rate": 3e-2, "weight_decay": 0.0, "batch_rows": 8, "epochs": 4,
    "warmup_share": 0.1,
    "probe_regularisation": None, "label_smoothing": 0.0, "class_weights": "equal", "patience": None, "augmentations": [],
    "layer_decay": 1.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return build_backbone(tmp_path_factory.mktemp("backbone") / "small-resnet")


@pytest.fixture(scope="module")
def digits():
    from rootstock.data.demo_digits import TARGET, build_digits

    frame = build_digits()[TARGET]
    return frame[frame["label"].isin(["0", "1"])].head(32)


@pytest.fixture
def encoder(folder, tmp_path):
    return bare_encoder(str(folder), Image(name="image", side=32), pooling="mean", batch_rows=16, cache_folder=tmp_path)


def test_the_params_file_is_whole():
    params = load_params(ROOT / "params-images.yaml")
    assert params.data.modality.name == "image"
    assert params.finetuning.source.name == "full"


def test_the_same_seed_makes_the_same_backbone(folder, tmp_path):
    assert content_hash(build_backbone(tmp_path / "again")) == content_hash(folder)
    assert content_hash(build_backbone(tmp_path / "other", seed=1)) != content_hash(folder)


def test_a_backbone_that_stands_there_is_left_alone(tmp_path):
    first = build_backbone(tmp_path / "kept")
    before = content_hash(first)
    assert content_hash(build_backbone(first, seed=1)) == before


def test_an_image_has_the_same_features_whatever_is_beside_it(encoder, digits):
    loaded = encoder.load()
    inputs = list(digits["input"])
    together = loaded.embed(inputs)
    alone = np.vstack([loaded.embed([value]) for value in inputs[:4]])
    np.testing.assert_allclose(together[:4], alone, atol=1e-5)


def test_a_trained_image_model_comes_back_from_disk_with_its_batch_statistics(encoder, digits, folder, tmp_path):
    inputs, labels = list(digits["input"]), digits["label"].astype(int).to_numpy()
    rows = Rows(inputs, labels, encoder.load().embed(inputs))
    fitted = Full.model_validate(FULL).fit(Start(encoder.load, 2, None), rows, heldout=None, setting=None, seed=0)
    model = tmp_path / "model"
    save_model(
        model, fitted, labels=["0", "1"], modality=Image(name="image", side=32), name="target", inputs=inputs,
        lineage=Lineage(str(folder), "mean", None),
    )  # fmt: skip
    assert read_card(model).base.included
    loaded = Classifier.load(model)
    np.testing.assert_allclose(loaded.encoder.embed(inputs), fitted.encoder.embed(inputs), atol=1e-5)
    assert (loaded.predict(inputs).probabilities.argmax(axis=1) == labels).mean() > 0.9
    fresh = dict(load_encoder(folder).named_buffers())
    name = next(name for name in fresh if name.endswith("running_mean"))
    assert not np.allclose(fresh[name], dict(loaded.encoder.model.named_buffers())[name])
