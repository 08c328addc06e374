"""Small backbones trained from random weights."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from rootstock.architecture import write_small_bert, write_small_resnet, writer
from rootstock.backbone import content_hash, load_encoder
from rootstock.data.image import Image
from rootstock.data.text import Text
from rootstock.encoder import Encoder
from rootstock.errors import BackboneError, InputError, ParamsError
from rootstock.finetuning.linear_probe import LinearProbe
from rootstock.finetuning.pretrain import Examples, pretrain, pretraining_method, save_backbone
from rootstock.params import load_params
from rootstock.part import FineTuneMethod, Keep

ROOT = Path(__file__).parents[2]


def stripes(rows: int, *, seed: int) -> Examples:
    """Upright stripes and lying ones, with noise."""
    random = np.random.default_rng(seed)
    inputs, labels = [], np.arange(rows) % 2
    for label in labels:
        wave = 255 * (np.arange(12) // 2 % 2)
        pixels = np.tile(wave, (12, 1)) if label else np.tile(wave[:, None], (1, 12))
        buffer = io.BytesIO()
        Pictures.fromarray(np.clip(pixels + random.normal(0, 60, (12, 12)), 0, 255).astype(np.uint8)).save(buffer, format="PNG")
        inputs.append(buffer.getvalue())
    return Examples(inputs, labels)


@pytest.fixture(scope="module")
def method() -> FineTuneMethod:
    found = load_params(ROOT / "params-images.yaml").finetuning.source
    return found.model_copy(update={"epochs": 3, "batch_rows": 16})


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("random")
    write_small_resnet(folder, 0)
    return folder


def encoder(folder: Path) -> Encoder:
    modality = Image(side=16)
    return Encoder(load_encoder(folder), modality.load_processor(folder), modality, "mean", 32)


@pytest.fixture(scope="module")
def trained(random_weights, method, tmp_path_factory):
    keep = Keep(tmp_path_factory.mktemp("keep") / "unfinished", 60)
    found = pretrain(
        lambda: encoder(random_weights), method, stripes(64, seed=1), heldout=stripes(40, seed=2), classes=2, seed=0, keep=keep
    )
    return found, keep


def test_what_is_held_out_is_answered_well_with_a_wilson_interval(trained):
    accuracy = trained[0].accuracy
    assert accuracy.value > 0.9
    assert accuracy.n == 40
    assert accuracy.low < accuracy.value <= accuracy.high <= 1
    z, p, n = 1.959964, accuracy.value, 40
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert accuracy.low == pytest.approx(centre - half, abs=1e-6)


def test_the_loss_falls_and_nothing_unfinished_is_left(trained):
    found, keep = trained
    assert len(found.losses) == 3
    assert found.losses[-1] < found.losses[0]
    assert found.parameters == 79_312
    assert not keep.folder.exists()


def test_the_folder_is_a_backbone_with_what_was_learned(trained, random_weights, tmp_path):
    save_backbone(tmp_path / "own", trained[0].encoder, processor=random_weights, card="# own\n")
    inputs = stripes(6, seed=3).inputs
    again = encoder(tmp_path / "own").embed(inputs)
    np.testing.assert_allclose(again, trained[0].encoder.embed(inputs), atol=1e-6)
    assert np.abs(again - encoder(random_weights).embed(inputs)).max() > 0.01
    assert json.loads((tmp_path / "own" / "preprocessor_config.json").read_text())["image_mean"] == [0.5] * 3
    assert (tmp_path / "own" / "README.md").read_text() == "# own\n"


def test_the_same_seed_gives_the_same_weights(trained, random_weights, method, tmp_path):
    found = pretrain(
        lambda: encoder(random_weights), method, stripes(64, seed=1), heldout=stripes(40, seed=2), classes=2, seed=0,
        keep=Keep(tmp_path / "k", 60),
    )  # fmt: skip
    save_backbone(tmp_path / "a", trained[0].encoder, processor=random_weights, card="")
    save_backbone(tmp_path / "b", found.encoder, processor=random_weights, card="")
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b")


def test_a_method_that_trains_no_backbone_is_refused(random_weights, tmp_path):
    probe = LinearProbe(regularisations=(1.0,))
    with pytest.raises(ParamsError, match="expected a method that trains the backbone, found linear_probe"):
        pretrain(
            lambda: encoder(random_weights), probe, stripes(8, seed=1), heldout=stripes(8, seed=2), classes=2, seed=0,
            keep=Keep(tmp_path, 60),
        )  # fmt: skip


def test_the_method_is_the_one_of_sources_where_it_trains_every_weight():
    texts, images = load_params(ROOT / "params.yaml"), load_params(ROOT / "params-images.yaml")
    assert pretraining_method(images.finetuning, images.evaluation) is images.finetuning.source
    assert pretraining_method(texts.finetuning, texts.evaluation) is texts.evaluation.scratch
    neither = texts.evaluation.model_copy(update={"scratch": texts.finetuning.source})
    with pytest.raises(ParamsError, match=r"found lora and lora; name it in one of them"):
        pretraining_method(texts.finetuning, neither)


def test_a_small_text_backbone_reads_with_the_tokenizer_it_is_given(tiny_backbone, tmp_path):
    write_small_bert(tmp_path, 0, tiny_backbone)
    modality = Text(max_tokens=16)
    loaded = Encoder(load_encoder(tmp_path), modality.load_processor(tmp_path), modality, "mean", 4)
    assert loaded.embed(["the keel", "a mast of old", "the oven"]).shape == (3, 128)


def test_without_a_tokenizer_there_is_no_text_backbone(tmp_path, random_weights):
    with pytest.raises(BackboneError, match="expected a tokenizer, found none"):
        write_small_bert(tmp_path, 0, random_weights)
    assert not list(tmp_path.iterdir())


def test_weights_follow_the_seed_and_leave_the_generator_alone(tmp_path, random_weights):
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for name, seed in (("same", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        write_small_resnet(tmp_path / name, seed)
    assert torch.rand(1) == expected
    assert content_hash(tmp_path / "same") == content_hash(random_weights) != content_hash(tmp_path / "other")


@pytest.mark.parametrize(("name", "weights"), [("small-resnet", 79_312), ("wide-resnet", 1_232_704)])
def test_a_residual_network_has_as_many_weights_as_it_says(tmp_path, name, weights):
    write = writer(name, modality="image")[1]
    write(tmp_path, 0, None)
    assert sum(weight.numel() for weight in load_encoder(tmp_path).parameters()) == weights
    assert f"{weights:,} weights" in (write.__doc__ or "")


def test_an_architecture_is_chosen_by_modality_and_refused_for_another():
    assert writer(None, modality="image")[0] == "small-resnet"
    assert writer(None, modality="text")[0] == "small-bert"
    with pytest.raises(InputError, match="unknown architecture for data of modality text 'small-resnet'; known: small-bert"):
        writer("small-resnet", modality="text")
