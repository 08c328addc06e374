from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rootstock.classifier import Classifier
from rootstock.errors import InputError, Refusal
from rootstock.export import formats
from rootstock.export.export import check_target
from rootstock.export.figures import Export
from rootstock.export.rows import ComparedRows
from rootstock.files import sha256_of

ONNX = ("onnx", "onnx-int8")
Run = Callable[..., Export]
Written = tuple[Path, Export]


@pytest.fixture(scope="module")
def merged(run_export: Run, text_model: Path, text_rows: ComparedRows, tmp_path_factory: pytest.TempPathFactory) -> Written:
    target = tmp_path_factory.mktemp("exports") / "merged-only"
    return target, run_export(text_model, target, text_rows, "merged")


@pytest.fixture(scope="module")
def graphs(run_export: Run, text_model: Path, text_rows: ComparedRows, tmp_path_factory: pytest.TempPathFactory) -> Written:
    target = tmp_path_factory.mktemp("exports") / "graphs"
    return target, run_export(text_model, target, text_rows, *ONNX)


def answers_of(model: Path, rows: ComparedRows) -> np.ndarray:
    return Classifier.load(model).predict(rows.inputs).probabilities


def plant(monkeypatch: pytest.MonkeyPatch, name: str, **changed: Any) -> None:
    monkeypatch.setattr(formats, "FORMATS", dict(formats.FORMATS) | {name: dataclasses.replace(formats.FORMATS[name], **changed)})


def with_permuted_head(name: str) -> Callable[[Classifier, Path], None]:
    """A writer that gives each class the weights of the next one."""
    write = formats.FORMATS[name].write

    def wrong(classifier: Classifier, folder: Path) -> None:
        head = classifier.head
        turned = dataclasses.replace(head, weight=np.roll(head.weight, 1, axis=0), bias=np.roll(head.bias, 1))
        write(dataclasses.replace(classifier, head=turned), folder)

    return wrong


# ---- what is written -----------------------------------------------------------------------------------------------------


def test_the_merged_folder_answers_as_the_adapter_model_when_plain_transformers_reads_it(
    merged: Written, text_model: Path, text_rows: ComparedRows
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    folder = merged[0] / "merged"
    tokens = AutoTokenizer.from_pretrained(folder)(
        text_rows.inputs, truncation=True, max_length=12, padding=True, return_tensors="pt"
    )  # fmt: skip
    head = load_file(folder / "head.safetensors")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder)(**tokens).last_hidden_state
        mask = tokens["attention_mask"][..., None]
        features = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
        found = torch.softmax(features @ head["weight"].T + head["bias"], dim=1).numpy()
    np.testing.assert_allclose(found, answers_of(text_model, text_rows), atol=1e-5)


def test_of_t5_the_encoder_alone_is_the_backbone_and_every_loader_reads_it_so(
    tiny_backbone: Path,
    topic_texts: Callable[..., Any],
    write_model: Callable[..., Path],
    run_export: Callable[..., Any],
    tmp_path: Path,
) -> None:
    import torch
    from rootstock.backbone import load_encoder
    from rootstock.registration import standalone
    from transformers import T5Config, T5EncoderModel, T5Model

    base, folder, (texts, labels) = tmp_path / "t5", tmp_path / "model", topic_texts(8, seed=1)
    torch.manual_seed(0)
    config = T5Config(vocab_size=26, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0)
    T5Model(config).save_pretrained(base)
    assert isinstance(load_encoder(base), T5EncoderModel)
    folder.mkdir()
    for place in (base, folder):
        for path in (*tiny_backbone.glob("tokenizer*"), tiny_backbone / "vocab.txt"):
            shutil.copy(path, place)
    write_model(folder, base, texts, labels, modality={"name": "text", "max_tokens": 12})
    rows = ComparedRows(texts, None, "rows.csv", "0" * 64)
    expected = answers_of(folder, rows)
    np.testing.assert_allclose(standalone.load(folder).probabilities(texts), expected, atol=1e-5)
    assert run_export(folder, tmp_path / "exported", rows, "merged").formats[0].largest_difference < 1e-5


def test_merging_is_not_leaving_the_adapter_out(merged: Written, tiny_backbone: Path) -> None:
    from safetensors.numpy import load_file

    key = "encoder.layer.0.attention.self.query.weight"
    weights = [load_file(folder / "model.safetensors")[key] for folder in (merged[0] / "merged", tiny_backbone)]
    assert np.abs(weights[0] - weights[1]).max() > 0.01


@pytest.mark.edge
def test_the_shipped_script_answers_lines_without_rootstock(
    graphs: Written, text_model: Path, text_rows: ComparedRows, tmp_path: Path
) -> None:
    script = graphs[0] / "onnx" / "load.py"
    assert not re.search(r"^ *(from|import) rootstock", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    given = "\n".join(text_rows.inputs)
    done = subprocess.run(
        [sys.executable, "-B", str(script)], input=given, capture_output=True, text=True, cwd=tmp_path, check=True
    )
    classifier = Classifier.load(text_model)
    assert done.stdout.split() == [classifier.labels[i] for i in answers_of(text_model, text_rows).argmax(axis=1)]


@pytest.mark.edge
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (1, 2), (3, 10), (0, 30)])
def test_the_graph_takes_any_number_of_rows_of_any_length(
    graphs: Written, text_model: Path, text_rows: ComparedRows, start: int, stop: int
) -> None:
    import onnxruntime
    from transformers import AutoTokenizer

    session = onnxruntime.InferenceSession(str(graphs[0] / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    assert [(each.name, each.shape) for each in session.get_inputs()] == [
        ("input_ids", ["batch", "sequence"]),
        ("attention_mask", ["batch", "sequence"]),
    ]
    tokens = AutoTokenizer.from_pretrained(text_model)(
        text_rows.inputs[start:stop], truncation=True, max_length=12, padding=True, return_tensors="np"
    )
    [found] = session.run(None, {name: tokens[name] for name in ("input_ids", "attention_mask")})
    np.testing.assert_allclose(found, answers_of(text_model, text_rows)[start:stop], atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


@pytest.mark.edge
def test_a_graph_is_used_without_torch_and_transformers(graphs: Written) -> None:
    for found in graphs[1].formats:
        assert {"onnxruntime", "tokenizers"} <= set(found.packages)
        assert not {"torch", "transformers"} & set(found.packages)


@pytest.mark.edge
def test_int8_weights_are_whole_numbers_and_what_they_lose_is_told(graphs: Written) -> None:
    import onnx

    fp32, int8 = graphs[1].formats
    large = [each for each in onnx.load(graphs[0] / "onnx-int8" / "model.onnx").graph.initializer if len(each.dims) == 2]
    assert sum(each.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) for each in large) >= 12
    assert int8.points_lost is not None
    assert (int8.points_lost.n, int8.points_lost.unit) == (30, "points of accuracy")
    assert int8.points_lost.low <= int8.points_lost.value <= int8.points_lost.high
    assert int8.largest_difference > 10 * fp32.largest_difference


def test_the_record_beside_the_folders_holds_the_figures(merged: Written, text_model: Path) -> None:
    target, record = merged
    assert Export.model_validate_json((target / "export.json").read_text(encoding="utf-8")) == record
    [found] = record.formats
    assert (found.equal_labels.value, found.equal_labels.n) == (1.0, 30)
    assert found.largest_difference < 1e-5
    assert found.accuracy == record.accuracy
    assert found.sha256 == sha256_of(target / found.folder)
    assert record.sha256 == sha256_of(text_model)
    assert found.milliseconds_per_row > 0


def test_only_what_ships_is_written(merged: Written) -> None:
    names = {path.relative_to(merged[0]).as_posix() for path in merged[0].rglob("*") if path.is_file()}
    assert names == {
        "export.json", "merged/classifier.json", "merged/config.json", "merged/head.safetensors", "merged/labels.json",
        "merged/load.py", "merged/model.safetensors", "merged/tokenizer.json", "merged/tokenizer_config.json",
    }  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in merged[0].rglob("*") if path.is_file()} == {0o644}


@pytest.mark.edge
def test_an_image_model_ships_in_every_format(run_export: Run, image_model: Path, image_rows: ComparedRows, tmp_path: Path) -> None:
    record = run_export(image_model, tmp_path / "out", image_rows, "merged", *ONNX)
    assert [found.name for found in record.formats] == ["merged", "onnx", "onnx-int8"]
    for found in record.formats[:2]:
        assert found.equal_labels.value == 1
        assert found.largest_difference < 1e-5
    assert "torch" not in record.formats[1].packages
    assert record.accuracy is not None
    assert record.accuracy.value > 0.8


# ---- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["merged", pytest.param("onnx", marks=pytest.mark.edge)])
def test_a_permuted_head_is_refused_and_an_earlier_export_stays(
    run_export: Run, text_model: Path, text_rows: ComparedRows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "export.json").write_text("earlier", encoding="utf-8")
    plant(monkeypatch, name, write=with_permuted_head(name))
    with pytest.raises(Refusal, match=rf"^{name}: expected the tested model's label on at least 99\.9% of 30 rows") as caught:
        run_export(text_model, target, text_rows, name)
    assert caught.value.exit_code == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "export.json"]


@pytest.mark.edge
def test_int8_that_loses_more_than_allowed_is_refused(
    run_export: Run, text_model: Path, text_rows: ComparedRows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plant(monkeypatch, "onnx-int8", write=with_permuted_head("onnx-int8"))
    with pytest.raises(Refusal, match=r"^onnx-int8: expected a loss of at most 5 points, found \d+\.\d points of accuracy"):
        run_export(text_model, tmp_path / "out", text_rows, "onnx-int8", max_loss_points=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.edge
def test_a_format_that_does_not_load_again_is_refused_in_one_line(
    run_export: Run, text_model: Path, text_rows: ComparedRows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write = formats.FORMATS["onnx"].write

    def damaged(classifier: Classifier, folder: Path) -> None:
        write(classifier, folder)
        whole = (folder / "model.onnx").read_bytes()
        (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])

    plant(monkeypatch, "onnx", write=damaged)
    with pytest.raises(Refusal, match=r"^onnx: expected a model that loads in a new process") as caught:
        run_export(text_model, tmp_path / "out", text_rows, "onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_exporting_leaves_the_model_folder_and_the_rows_as_they_are(
    merged: Written, text_model: Path, text_rows: ComparedRows
) -> None:
    assert sha256_of(text_model) == merged[1].sha256
    assert json.loads((text_model / "rootstock.json").read_text(encoding="utf-8"))["adapters"] == ["adapters/0-target"]
    assert text_rows.sha256 == "0" * 64


# ---- bad input -----------------------------------------------------------------------------------------------------------


def test_an_unknown_format_is_named_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown format 'onnx-int4'.*did you mean 'onnx-int8'"):
        formats.find_formats(["onnx-int4"])


def test_a_missing_package_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--format onnx: .*found no onnx and no onnxruntime; .*rootstock-mlops\[edge\]"):
        formats.find_formats(["onnx"])
    assert list(formats.find_formats(["merged"])) == ["merged"]


def test_formats_come_once_and_in_the_order_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: name)
    assert list(formats.find_formats(["onnx", "merged", "onnx"])) == ["merged", "onnx"]


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(InputError, match="new or empty folder"):
        check_target(tmp_path, None)
    assert (tmp_path / "thesis.txt").is_file()


def test_a_target_inside_the_model_or_around_it_is_refused(tmp_path: Path) -> None:
    for target, model in ((tmp_path / "model" / "out", tmp_path / "model"), (tmp_path, tmp_path / "model")):
        with pytest.raises(InputError, match="one inside the other"):
            check_target(target, model)


def test_a_file_in_the_place_of_the_target_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="found a file"):
        check_target(tmp_path / "out", None)
