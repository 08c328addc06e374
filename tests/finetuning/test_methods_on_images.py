"""Every method on tiny image backbones: a vision transformer, DINOv2, a residual network, ConvNeXt."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures
from rootstock.classifier import Classifier
from rootstock.data.image import Image
from rootstock.errors import ParamsError
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.label_spreading import LabelSpreading
from rootstock.finetuning.save import Lineage, save_model
from rootstock.head import log_probabilities
from rootstock.part import Fitted, Rows, Start, UnlabelledRows
from rootstock.rows import bare_encoder

SIDE, CLASSES = 16, ("red", "blue")
TRANSFORMER = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 4, "image_size": SIDE,
    "initializer_range": 0.2,
}  # fmt: skip
STAGES: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 2]}
BACKBONES: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("ViT", TRANSFORMER | {"intermediate_size": 32}),
    "dinov2": ("Dinov2", TRANSFORMER | {"mlp_ratio": 2}),
    "resnet": ("ResNet", STAGES | {"embedding_size": 8, "layer_type": "basic"}),
    "convnext": ("ConvNext", STAGES | {"num_stages": 2, "patch_size": 4, "layer_scale_init_value": 0.5, "initializer_range": 0.2}),
}
#: Modules with adapters, and how many outputs and inputs (times the kernel's pixels) each has, by layer or stage.
ATTENTION = {"targets": ("q_proj", "v_proj"), "layers": [[(16, 16)] * 2] * 2}
ADAPTED: dict[str, dict[str, Any]] = {
    "vit": ATTENTION,
    "dinov2": ATTENTION,
    # Two convolutions a block; the second stage has two blocks and a shortcut beside the first. The stem is adapted too.
    "resnet": {
        "targets": ("convolution",), "before": [(8, 3 * 49)],
        "layers": [[(8, 72)] * 2, [(16, 8), (16, 72), *[(16, 144)] * 3]],
    },
    "convnext": {"targets": ("pwconv1", "pwconv2"), "layers": [[(32, 8), (8, 32)], [(64, 16), (16, 64)] * 2]},
}  # fmt: skip
ADAPTERS = ("lora", "dora", "ia3")
TRAINED = (*ADAPTERS, "full", "bitfit", "last_layers", "gradual_unfreezing")
RANK, HEAD = 2, 2 * 16 + 2


_TRANSFORMER_LAYER = 4 * (16 * 16 + 16) + 2 * 16 * 32 + 32 + 16 + 4 * 16
_PATCHES_AND_NORM = 16 + 17 * 16 + 16 * 48 + 16 + 2 * 16


def _convnext_block(width: int) -> int:
    return 49 * width + width + 2 * width + width + 8 * width**2 + 5 * width  # depth-wise, norm, scale, two layers four times wider


#: Weights of each backbone, from its configuration. DINOv2 adds two scales a layer and a mask token; ViT a pooler.
SIZES = {
    "vit": 2 * _TRANSFORMER_LAYER + _PATCHES_AND_NORM + 16 * 16 + 16,
    "dinov2": 2 * (_TRANSFORMER_LAYER + 2 * 16) + _PATCHES_AND_NORM + 16,
    "resnet": (8 * 147 + 16) + 2 * (8 * 72 + 16) + (16 * 8 + 32) + (16 * 72 + 32) + 3 * (16 * 144 + 32),
    "convnext": (8 * 48 + 8 + 16) + _convnext_block(8) + (16 + 16 * 32 + 16) + 2 * _convnext_block(16) + 32,
}


@dataclass(frozen=True)
class Case:
    """A backbone with rows to learn from."""

    name: str
    folder: Path
    start: Start
    rows: Rows


def pictures(rows: int) -> tuple[list[bytes], np.ndarray]:
    """Noise, rather red or rather blue."""
    random, labels, found = np.random.default_rng(0), np.arange(rows) % 2, []
    for label in labels:
        pixels = random.integers(0, 60, (SIDE, SIDE, 3))
        pixels[..., 2 * label] += 100
        buffer = io.BytesIO()
        Pictures.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
        found.append(buffer.getvalue())
    return found, labels


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    import torch
    import transformers

    inputs, labels = pictures(24)
    found = {}
    for name, (kind, config) in BACKBONES.items():
        folder = tmp_path_factory.mktemp(name)
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**config))
        model.save_pretrained(folder, safe_serialization=True)
        source = bare_encoder(str(folder), Image(side=SIDE), pooling="mean", batch_rows=16, cache_folder=folder / "features")
        rows = Rows(inputs, labels, source.embed(inputs, rows_sha256="rows", label="x"))
        found[name] = Case(name, folder, Start(source.load, 2, None), rows)
    return found


@pytest.fixture(params=BACKBONES)
def case(request, cases) -> Case:
    return cases[request.param]


@pytest.fixture
def fit(case, make_method):
    def run(name: str, **changes: Any) -> Fitted:
        targets: dict[str, Any] = {"target_modules": ADAPTED[case.name]["targets"]} if name in ADAPTERS else {}
        # A head that starts from zero shows the body learning too: random features are separable as they are.
        usual = {} if name == "linear_probe" else {"epochs": 5, "probe_regularisation": None}
        method = make_method[name](**(usual | targets | changes))
        return method.fit(case.start, case.rows, heldout=None, setting=None, seed=0)

    return run


def weights(model: Any) -> dict[str, np.ndarray]:
    """Weights and running statistics of the backbone itself, by name, without what adapters added."""
    plain = {name.removeprefix("base_model.model.").replace(".base_layer", ""): w for name, w in model.state_dict().items()}
    return {name: w.numpy() for name, w in plain.items() if "lora_" not in name and "ia3_" not in name}


def changed(case: Case, fitted: Fitted) -> set[str]:
    before, after = weights(case.start.load().model), weights(fitted.encoder.model if fitted.encoder else None)
    assert set(before) == set(after)
    return {name for name in before if not np.array_equal(before[name], after[name])}


def parameters_in(case: Case, *prefixes: str) -> int:
    found = case.start.load().model.named_parameters()
    return sum(parameter.numel() for name, parameter in found if name.startswith(prefixes or ("",)))


def last_layer(case: Case) -> str:
    return {"vit": "layers.1.", "dinov2": "encoder.layer.1."}.get(case.name, "encoder.stages.1.")


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_falls(fit, name):
    losses = fit(name, **({"learning_rate": 0.05} if name in ("ia3", "bitfit") else {})).losses
    assert losses[-1] < 0.8 * losses[0]


def test_a_probe_separates_the_rows(case, fit):
    fitted = fit("linear_probe")
    assert fitted.encoder is None
    assert fitted.trainable_parameters == HEAD
    assert (log_probabilities(case.rows.features, fitted.head).argmax(axis=1) == case.rows.labels).mean() > 0.9


def test_labels_of_four_pictures_spread_to_the_others_after_training_on_them(case, make_method):
    rest = take(case.rows, np.arange(4, 24))
    encoder = case.start.load()
    more = UnlabelledRows(lambda most: rest.inputs[:most], lambda most: encoder.embed(rest.inputs[:most]))
    method = LabelSpreading(
        neighbours=(4,), alpha=0.9, class_shares="free", regularisation=10.0, unlabelled_rows=20,
        after=make_method["last_layers"](layers=1, epochs=2, probe_regularisation=None),
    )  # fmt: skip
    start, labelled = replace(case.start, unlabelled=more), take(case.rows, np.arange(4))
    fitted = method.fit(start, labelled, heldout=rest, setting=None, seed=0)
    assert fitted.trainable_parameters == parameters_in(case, last_layer(case)) + HEAD
    assert all(name.startswith(last_layer(case)) for name in changed(case, fitted))
    assert (fitted.heldout[4.0].argmax(axis=1) == rest.labels).mean() > 0.9


@pytest.mark.parametrize("name", ["linear_probe", *TRAINED])
def test_saved_and_loaded_it_says_the_same(case, fit, tmp_path, name):
    fitted = fit(name, **({} if name == "linear_probe" else {"epochs": 2}))
    encoder = fitted.encoder or case.start.load()
    said = np.exp(log_probabilities(encoder.embed(case.rows.inputs), fitted.head))
    save_model(
        tmp_path / "model", fitted, labels=CLASSES, modality=Image(side=SIDE), lineage=Lineage(str(case.folder), "mean", None),
        name="target", inputs=case.rows.inputs,
    )  # fmt: skip
    loaded = Classifier.load(tmp_path / "model").predict(case.rows.inputs).probabilities
    np.testing.assert_allclose(loaded, said, atol=1e-5)


@pytest.mark.parametrize("last_layers", [None, 1])
@pytest.mark.parametrize("name", ADAPTERS)
def test_adapters_train_what_the_architecture_gives_them_and_the_backbone_stays_to_the_last_bit(case, fit, name, last_layers):
    fitted = fit(name, last_layers=last_layers, epochs=1)
    layers = ADAPTED[case.name]["layers"]
    shapes = sum(layers, start=ADAPTED[case.name].get("before", [])) if last_layers is None else layers[-1]
    size = {
        "lora": sum(RANK * (outputs + inputs) for outputs, inputs in shapes),
        "dora": sum(RANK * (outputs + inputs) + outputs for outputs, inputs in shapes),
        "ia3": sum(outputs for outputs, _ in shapes),
    }[name]
    assert fitted.trainable_parameters == size + HEAD
    assert changed(case, fitted) == set()


def test_the_last_layer_alone_moves_where_it_alone_is_trained(case, fit):
    fitted = fit("last_layers", layers=1, epochs=1)
    assert fitted.trainable_parameters == parameters_in(case, last_layer(case)) + HEAD
    assert changed(case, fitted)
    assert all(name.startswith(last_layer(case)) for name in changed(case, fitted))


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_full_trains_all_that_there_is(cases, make_method, name, size):
    case = cases[name]
    method = make_method["full"](epochs=2)
    fitted = method.fit(case.start, case.rows, heldout=None, setting=None, seed=0)
    assert fitted.trainable_parameters == parameters_in(case) + HEAD == size + HEAD
    first = {"vit": "embeddings.", "dinov2": "embeddings.", "resnet": "embedder.", "convnext": "embeddings."}[name]
    assert any(each.startswith(first) for each in changed(case, fitted))


def test_bitfit_moves_biases_and_no_weight(case, fit):
    fitted = fit("bitfit", learning_rate=0.05, epochs=1)
    biases = sum(p.numel() for name, p in case.start.load().model.named_parameters() if name.endswith("bias"))
    assert fitted.trainable_parameters == biases + HEAD
    moved = {name for name in changed(case, fitted) if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert moved
    assert all(name.endswith("bias") for name in moved)


def test_gradual_unfreezing_starts_with_the_last_layer(case, fit):
    one, many = changed(case, fit("gradual_unfreezing", epochs=1)), changed(case, fit("gradual_unfreezing", epochs=3))
    behind = ("layernorm.", "pooler.")
    assert one
    assert all(name.startswith((last_layer(case), *behind)) for name in one)
    assert any(name.startswith(("embeddings.", "embedder.")) for name in many)


@pytest.mark.parametrize("name", ADAPTERS)
def test_modules_that_are_not_there_are_answered_with_those_that_are(cases, make_method, name):
    there = {
        "vit": "dense, fc1, fc2, k_proj, o_proj, projection, q_proj, v_proj", "resnet": "convolution",
        "convnext": "1, dwconv, patch_embeddings, pwconv1, pwconv2",
    }  # fmt: skip
    for backbone, known in there.items():
        case, method = cases[backbone], make_method[name](target_modules=("query",))
        with pytest.raises(ParamsError, match=rf"target_modules \['query'\] match nothing .* it has {known}$") as caught:
            method.fit(case.start, case.rows, heldout=None, setting=None, seed=0)
        assert "\n" not in str(caught.value)


def test_an_adapter_that_a_layer_cannot_take_is_refused_in_one_line(cases, make_method):
    case = cases["convnext"]
    method = make_method["lora"](target_modules=("dwconv",), rank=2)
    with pytest.raises(ParamsError, match="dwconv"):
        method.fit(case.start, case.rows, heldout=None, setting=None, seed=0)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(
    ("architecture", "config", "target", "said"),
    [
        ("Bit", {"embedding_size": 8, "hidden_sizes": [8], "depths": [1], "num_groups": 2}, "conv1", "WeightStandardizedConv2d"),
        (
            "MobileNetV2",
            {"depth_multiplier": 0.25},
            "expand_1x1.convolution",
            "asks them for what an adapter does not have .*stride",
        ),
    ],
)
def test_an_adapter_that_could_not_be_merged_or_run_is_refused_in_one_line(
    cases, make_method, name, architecture, config, target, said
):
    import transformers

    case = cases["resnet"]
    model = getattr(transformers, f"{architecture}Model")(getattr(transformers, f"{architecture}Config")(**config)).eval()
    start = replace(case.start, load=lambda: replace(case.start.load(), model=model))
    with pytest.raises(ParamsError, match=f"{name} cannot stand beside .*{said}") as caught:
        make_method[name](target_modules=(target,)).fit(start, case.rows, heldout=None, setting=None, seed=0)
    assert "\n" not in str(caught.value)


def test_a_last_batch_of_one_image_trains_where_its_map_is_one_pixel(cases, make_method, tmp_path):
    """Batch normalisation knows no spread of a single value."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16], depths=[1, 1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path / "deep", safe_serialization=True)
    source = bare_encoder(str(tmp_path / "deep"), Image(side=SIDE), pooling="mean", batch_rows=16, cache_folder=tmp_path)
    rows = cases["resnet"].rows
    nine = Rows(rows.inputs[:9], rows.labels[:9], np.zeros((9, 0)))
    fitted = make_method["full"](epochs=2, batch_rows=8).fit(Start(source.load, 2, None), nine, heldout=None, setting=None, seed=0)
    assert np.isfinite(fitted.losses).all()


def test_statistics_of_frozen_normalisation_stay_and_those_of_trained_ones_move():
    import torch
    from rootstock.finetuning.batch_statistics import normalisations, set_statistics

    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3)).train()
    model[0].requires_grad_(False)
    set_statistics(normalisations(model), rows=8)
    model(torch.randn(8, 3) + 5)
    assert (model[0].running_mean == 0).all()
    assert (model[2].running_mean != 0).all()
    set_statistics(normalisations(model), rows=1)
    assert not model[2].training
