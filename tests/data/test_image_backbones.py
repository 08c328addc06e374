"""Vision backbones as they are published: how they are shown an image, and what of their output stands for it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures
from rootstock.backbone import device, is_convolutional, load_encoder
from rootstock.data.image import Image
from rootstock.encoder import Encoder
from rootstock.errors import BackboneError
from rootstock.rows import bare_encoder

SIDE = 32
VIT = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2}
BIT = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}
CONVNEXT = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.875}
OLDER = {"feature_extractor_type": "ConvNextFeatureExtractor", "size": 32, "crop_pct": 0.875, "image_mean": [0.4, 0.5, 0.6]}
TRANSFORMER = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 8, "image_size": 32,
    "initializer_range": 0.3,
}  # fmt: skip
CONVOLUTIONS: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 1]}
BACKBONES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "vit": ("ViT", TRANSFORMER, VIT),
    "dinov2": ("Dinov2", TRANSFORMER, BIT),
    "dinov2 with registers": ("Dinov2WithRegisters", TRANSFORMER | {"num_register_tokens": 4}, BIT),
    "resnet": ("ResNet", CONVOLUTIONS | {"embedding_size": 8, "layer_type": "basic"}, OLDER),
    "convnext": ("ConvNext", CONVOLUTIONS | {"num_stages": 2, "patch_size": 4}, CONVNEXT),
}
FOUR = ["vit", "dinov2", "resnet", "convnext"]


def png(height: int, width: int, seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Pictures.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


INPUTS = [png(height, width, seed) for seed, (height, width) in enumerate([(32, 32), (50, 40), (20, 64), (8, 8), (33, 90)])]


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """Gives the folder of a tiny random backbone with the preprocessor file of its kind."""
    import torch
    import transformers

    folders: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in folders:
            kind, config, preprocessor = BACKBONES[name]
            torch.manual_seed(0)
            model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config))
            folders[name] = tmp_path_factory.mktemp(kind)
            model.save_pretrained(folders[name], safe_serialization=True)
            (folders[name] / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
        return folders[name]

    return make


def encoder(folder: Path, *, side: int = SIDE, pooling: str = "mean") -> Encoder:
    modality = Image(side=side)
    return Encoder(load_encoder(folder), modality.load_processor(folder), modality, pooling, 2)


def shown(folder: Path) -> Any:
    """Pixels by transformers' own processor, and its outputs, without any of Rootstock."""
    import torch
    from transformers import AutoImageProcessor, AutoModel

    pictures = [Pictures.open(io.BytesIO(data)).convert("RGB") for data in INPUTS]
    pixels = AutoImageProcessor.from_pretrained(folder, backend="pil")(pictures, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        return pixels, AutoModel.from_pretrained(folder).eval()(pixel_values=pixels)


@pytest.mark.parametrize("name", FOUR)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_published_backbone_embeds_images_of_any_size(published, tmp_path, name, pooling):
    source = bare_encoder(str(published(name)), Image(side=SIDE), pooling=pooling, batch_rows=2, cache_folder=tmp_path)
    first, again = source.load().embed(INPUTS), source.load().embed(INPUTS)
    assert first.shape == (len(INPUTS), 16)
    np.testing.assert_array_equal(first, again)
    assert np.unique(first.round(6), axis=0).shape[0] == len(INPUTS)


@pytest.mark.parametrize("name", FOUR)
def test_features_do_not_depend_on_what_is_in_the_batch(published, name):
    loaded = encoder(published(name))
    together, alone = loaded.embed(INPUTS), np.vstack([loaded.embed([value]) for value in reversed(INPUTS)])[::-1]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", FOUR)
def test_channels_lie_side_by_side_where_most_weights_are_in_convolutions(published, name):
    """A ConvNeXt as tiny as here is mostly convolutions; as it is published it is not."""
    import torch

    model = load_encoder(published(name))
    kernels = [layer.weight for layer in model.modules() if isinstance(layer, torch.nn.Conv2d)]
    moved = [kernel for kernel in kernels if not kernel.is_contiguous() and kernel.is_contiguous(memory_format=torch.channels_last)]
    assert bool(moved) == (is_convolutional(model) and device() == "cpu")
    assert is_convolutional(model) or name != "resnet"


def test_a_convnext_of_a_published_width_is_mostly_linear_layers():
    from transformers import ConvNextConfig, ConvNextModel

    assert not is_convolutional(ConvNextModel(ConvNextConfig(hidden_sizes=[48, 96, 192, 384])))


@pytest.mark.parametrize("name", BACKBONES)
def test_pixels_are_those_of_the_published_processor(published, name):
    folder = published(name)
    modality = Image(side=SIDE)
    found = modality.tensors(INPUTS, modality.load_processor(folder))["pixel_values"].numpy()
    np.testing.assert_array_equal(found, shown(folder)[0].numpy())


@pytest.mark.parametrize("name", BACKBONES)
def test_pixels_that_were_read_before_are_bytes_and_give_the_same_to_the_bit(published, name):
    modality = Image(side=SIDE)
    processor = modality.load_processor(published(name))
    arrays = modality.arrays(INPUTS, processor)
    assert {(array.dtype.name, array.shape) for array in arrays} == {("uint8", (3, SIDE, SIDE))}
    again = modality.tensors_of(arrays, processor)["pixel_values"].numpy()
    np.testing.assert_array_equal(again, shown(published(name))[0].numpy())


def test_a_processor_that_does_not_scale_last_gives_what_it_gives_itself(published):
    modality = Image(side=SIDE)
    processor = modality.load_processor(published("vit"))

    class ScalesFirst(type(processor)):  # type: ignore[misc]
        def _preprocess(self, images: list[Any], do_rescale: bool, **options: Any) -> Any:
            return super()._preprocess([image / 255 for image in images] if do_rescale else images, do_rescale=False, **options)

    other = ScalesFirst.from_dict(processor.to_dict())
    pictures = [Pictures.open(io.BytesIO(data)).convert("RGB") for data in INPUTS]
    arrays = modality.arrays(INPUTS, other)
    assert {array.dtype.name for array in arrays} == {"float32"}
    np.testing.assert_array_equal(modality.tensors_of(arrays, other)["pixel_values"], other(pictures)["pixel_values"])


@pytest.mark.parametrize(("name", "special"), [("vit", 1), ("dinov2", 1), ("dinov2 with registers", 5)])
def test_the_mean_is_over_patches_and_not_over_special_tokens(published, name, special):
    folder = published(name)
    hidden = shown(folder)[1].last_hidden_state.numpy()
    assert hidden.shape[1] == special + 16
    np.testing.assert_allclose(encoder(folder).embed(INPUTS), hidden[:, special:].mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(encoder(folder, pooling="cls").embed(INPUTS), hidden[:, 0], atol=1e-5)


@pytest.mark.parametrize("name", ["resnet", "convnext"])
def test_a_map_is_pooled_as_the_network_itself_does(published, name):
    folder = published(name)
    own = shown(folder)[1].pooler_output.numpy().reshape(len(INPUTS), -1)
    np.testing.assert_allclose(encoder(folder).embed(INPUTS), own, atol=1e-5)


@pytest.mark.parametrize("name", FOUR)
def test_the_mean_over_layers_has_the_same_shape(published, name):
    found = encoder(published(name)).embed_layers(INPUTS)
    assert found.last.shape == found.layer_mean.shape == (len(INPUTS), 16)


@pytest.mark.parametrize("name", ["dinov2", "resnet", "convnext"])
def test_another_side_keeps_the_share_that_is_cut_away(published, name):
    folder = published(name)
    modality = Image(side=2 * SIDE)
    assert modality.tensors(INPUTS, modality.load_processor(folder))["pixel_values"].shape == (5, 3, 64, 64)
    ramp = io.BytesIO()
    Pictures.fromarray(np.tile(np.linspace(0, 255, 160).astype(np.uint8), (160, 1))).save(ramp, format="PNG")
    edges = []
    for side in (SIDE, 2 * SIDE):
        each = Image(side=side)
        edges.append(each.tensors([ramp.getvalue()], each.load_processor(folder))["pixel_values"][0, 0, side // 2, 0].item())
    assert edges[0] == pytest.approx(edges[1], abs=0.1)


def test_a_size_that_a_transformer_has_no_places_for_is_told_in_one_line(published):
    with pytest.raises(BackboneError, match=r"cannot read these inputs: .*64.*32.*see data.modality"):
        encoder(published("vit"), side=64).embed(INPUTS)


@pytest.mark.parametrize(
    "content",
    [
        "{", "[1]", '{"image_processor_type": "NoSuchProcessor"}', '{"image_mean": null}', '{"image_mean": [0.5, 0.5, 0.5, 0.5]}',
        '{"image_std": [0.2, 0, 0.2]}', '{"image_std": "wide"}',
    ],
)  # fmt: skip
def test_a_preprocessor_file_that_cannot_be_used_is_named(tmp_path, content):
    (tmp_path / "preprocessor_config.json").write_text(content, encoding="utf-8")
    with pytest.raises(BackboneError, match=r"preprocessor_config.json: expected settings of an image processor"):
        Image(side=SIDE).load_processor(tmp_path)


def test_a_processor_that_stands_beside_that_of_texts_is_asked_for_by_itself(tmp_path):
    from transformers import AutoImageProcessor

    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": VIT, "processor_class": "X"}), encoding="utf-8")
    with pytest.raises(
        BackboneError, match=r"found an image processor in processor_config.json only; write it by AutoImageProcessor"
    ):
        Image(side=SIDE).load_processor(tmp_path)
    AutoImageProcessor.from_pretrained(tmp_path, backend="pil").save_pretrained(tmp_path)
    modality = Image(side=SIDE)
    assert modality.tensors(INPUTS, modality.load_processor(tmp_path))["pixel_values"].shape == (5, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    "settings",
    [
        CONVNEXT | {"crop_pct": None},
        CONVNEXT | {"size": {"shortest_edge": 384}},
        VIT | {"do_resize": False},
        BIT | {"do_center_crop": False},
        BIT | {"size": {"height": 48, "width": 48}},
    ],
    ids=["no share", "larger", "not resized", "not cropped", "square"],
)
def test_whatever_the_file_says_pixels_are_square(tmp_path, settings):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    modality = Image(side=SIDE)
    assert modality.tensors(INPUTS, modality.load_processor(tmp_path))["pixel_values"].shape == (5, 3, SIDE, SIDE)


def test_settings_that_give_other_pixels_are_refused_when_they_are_read(tmp_path):
    settings = {"image_processor_type": "ViTImageProcessor", "image_mean": [0.5], "image_std": [0.5]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"preprocessor_config.json: expected settings"):
        Image(side=SIDE).load_processor(tmp_path)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_the_file_that_ships_with_a_model_sees_the_same(published, tmp_path, name, pooling):
    import torch
    from rootstock.registration import standalone

    folder = published(name)
    paths = []
    for number, data in enumerate(INPUTS):
        paths.append(str(tmp_path / f"{number}.png"))
        Path(paths[-1]).write_bytes(data)
    tensors = standalone.image_reader(folder, {"modality": {"side": SIDE}})(paths)
    loaded = encoder(folder, pooling=pooling)
    with torch.inference_mode():
        found = standalone.pool(loaded.model(**tensors), tensors, loaded.model.config, pooling).numpy()
    np.testing.assert_allclose(found, loaded.embed(INPUTS), atol=1e-5)
