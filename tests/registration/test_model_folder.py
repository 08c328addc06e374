from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Classifier
from rootstock.errors import DataError, Refusal
from rootstock.records import Artifact, EvalReport, PreparedData, TrainedModel
from rootstock.registration.model_folder import check_round_trip, judged_rows, package_model, predict_with_classifier

Make = Callable[[int], TrainedModel]
Evaluate = Callable[[TrainedModel], EvalReport]
TEXTS = ["red apple", "boat", "fast car car car slow boat sky", "unheard words"]


def load_script(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("load", folder / "load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def package(trained_model: Make, evaluated: Evaluate, prepared: PreparedData) -> Callable[[int], Path]:
    def make(which: int) -> Path:
        trained = trained_model(which)
        return package_model(trained, evaluated(trained), prepared, Path(f"packaged-{which}"))

    return make


@pytest.mark.parametrize("which", [0, 1], ids=["raw features", "features of unit length"])
def test_load_py_gives_the_probabilities_of_the_classifier(which: int, package: Callable[[int], Path]) -> None:
    folder = package(which)
    labels, found = load_script(folder).predict(folder, TEXTS)
    assert len(set(labels)) > 1
    assert found.numpy() == pytest.approx(Classifier.load(folder).predict(TEXTS).probabilities, abs=1e-6)


def test_the_adapters_matter_to_load_py(package: Callable[[int], Path]) -> None:
    folder = package(0)
    card = folder / "rootstock.json"
    script = load_script(folder)
    _, both = script.predict(folder, TEXTS)
    card.write_text(card.read_text(encoding="utf-8").replace(', "adapters/1-target"', ""), encoding="utf-8")
    _, one = script.predict(folder, TEXTS)
    assert np.abs(both.numpy() - one.numpy()).max() > 0.01


def test_load_py_reads_images_and_a_backbone_inside_the_folder(trained_model: Make, package: Callable[[int], Path]) -> None:
    import torch
    from PIL import Image
    from safetensors.torch import save_file
    from transformers import ViTConfig, ViTModel

    folder = Path("image-model")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=8, patch_size=4,
        initializer_range=0.5,
    )  # fmt: skip
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder / "backbone")
    save_file({"weight": torch.randn(2, 16), "bias": torch.zeros(2)}, folder / "head.safetensors")
    card = {
        "format": 1, "labels": ["dark", "light"], "modality": {"name": "image", "side": 8}, "pooling": "cls", "normalise": False,
        "base": {"name": "tiny-vit", "sha256": "0", "included": True}, "adapters": [],
    }  # fmt: skip
    (folder / "rootstock.json").write_text(json.dumps(card), encoding="utf-8")
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3]}), encoding="utf-8")
    paths = [Path(f"{shade}.png") for shade in (10, 120, 250)]
    for path in paths:
        Image.new("RGB", (11, 9), (int(path.stem), 90, 200)).save(path)
    _, found = load_script(package(0)).predict(folder, [str(path) for path in paths])
    expected = Classifier.load(folder).predict([path.read_bytes() for path in paths]).probabilities
    assert found.numpy() == pytest.approx(expected, abs=1e-6)
    assert np.ptp(expected[:, 0]) > 0.01


def test_load_py_refuses_another_base(package: Callable[[int], Path], base_folder: Path) -> None:
    folder = package(0)
    other = Path(shutil.copytree(base_folder, "other-base"))
    script = load_script(folder)
    assert script.predict(folder, TEXTS, str(other))[0] == script.predict(folder, TEXTS)[0]
    (other / "config.json").write_text((other / "config.json").read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="not the base"):
        script.predict(folder, TEXTS, str(other))


def test_load_py_finds_a_base_inside_a_python_package(
    package: Callable[[int], Path], base_folder: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "weights_package").mkdir()
    (project / "weights_package/__init__.py").touch()
    shutil.copytree(base_folder, project / "weights_package/model")
    monkeypatch.syspath_prepend(str(project))
    script = load_script(package(0))
    assert script.base_folder("package:weights_package/model") == project / "weights_package/model"
    with pytest.raises(SystemExit, match="not installed"):
        script.base_folder("package:absent_package/model")


def test_the_card_names_base_revision_and_interval(package: Callable[[int], Path], base_folder: Path) -> None:
    text = (package(0) / "README.md").read_text(encoding="utf-8")
    assert f"`{base_folder}`" in text
    assert "`films/v3` first, then `tiny/v3`" in text
    assert "| accuracy | 0.8000 | 0.7000 to 0.9000 | share, higher is better |" in text


def test_the_card_says_where_the_rows_measured_on_are_no_test_rows(
    trained_model: Make, evaluated: Evaluate, prepared: PreparedData
) -> None:
    report = evaluated(trained_model(0))
    held_out, out_of_fold = (
        package_model(trained_model(0), report.model_copy(update={"rows": rows}), prepared, Path(rows))
        for rows in ("held_out", "out_of_fold")
    )
    assert "test rows (tiny/v3)" in (held_out / "README.md").read_text(encoding="utf-8")
    assert "labelled rows, each predicted out of fold (tiny/v3)" in (out_of_fold / "README.md").read_text(encoding="utf-8")


def test_packaging_refuses_a_model_that_was_changed(trained_model: Make, evaluated: Evaluate, prepared: PreparedData) -> None:
    trained = trained_model(0)
    report = evaluated(trained)
    Path(trained.model.path, "labels.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"was changed; run the fine-tuning stage again"):
        package_model(trained, report, prepared, Path("packaged"))
    assert not Path("packaged").exists()


def test_a_faithful_copy_passes_the_round_trip(
    package: Callable[[int], Path], trained_model: Make, evaluated: Evaluate, prepared: PreparedData
) -> None:
    check_round_trip(package(0), evaluated(trained_model(0)), prepared, predict=predict_with_classifier)


@pytest.mark.parametrize("shift", [0.001, -0.001, np.nan])
def test_a_probability_off_by_a_thousandth_fails_the_round_trip(
    shift: float, trained_model: Make, evaluated: Evaluate, prepared: PreparedData
) -> None:
    trained = trained_model(0)
    seen: list[Any] = []

    def shifted(folder: Path, inputs: Sequence[Any]) -> Any:
        seen.extend(inputs)
        labels, probabilities = predict_with_classifier(folder, inputs)
        probabilities[5] += shift
        return labels, probabilities

    with pytest.raises(Refusal, match="nothing was registered"):
        check_round_trip(Path(trained.model.path), evaluated(trained), prepared, predict=shifted)
    assert len(seen) == 16


def test_classes_in_another_order_pass_and_other_classes_fail(
    trained_model: Make, evaluated: Evaluate, prepared: PreparedData
) -> None:
    trained = trained_model(0)
    report = evaluated(trained)

    def reversed_classes(folder: Path, inputs: Sequence[Any]) -> Any:
        labels, probabilities = predict_with_classifier(folder, inputs)
        return labels[::-1], probabilities[:, ::-1]

    def other_classes(folder: Path, inputs: Sequence[Any]) -> Any:
        return ("x", "y", "z"), predict_with_classifier(folder, inputs)[1]

    check_round_trip(Path(trained.model.path), report, prepared, predict=reversed_classes)
    with pytest.raises(Refusal, match="expected classes boats, cars, fruit, found x, y, z"):
        check_round_trip(Path(trained.model.path), report, prepared, predict=other_classes)


def test_one_row_is_enough_and_none_is_an_error(trained_model: Make, evaluated: Evaluate, prepared: PreparedData) -> None:
    report = evaluated(trained_model(0))
    frame = pd.read_parquet(report.predictions.path)
    for rows, name in ((frame.head(1), "one.parquet"), (frame.head(0), "none.parquet")):
        rows.to_parquet(name)
    assert len(judged_rows(report.model_copy(update={"predictions": Artifact(path="one.parquet", sha256="")}), prepared)) == 1
    with pytest.raises(DataError, match="expected test rows of tiny, found none"):
        judged_rows(report.model_copy(update={"predictions": Artifact(path="none.parquet", sha256="")}), prepared)
