"""A model whose head is trees: merged it ships and answers the same; as a graph it is refused in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rootstock.boosted import Boosting, grow
from rootstock.classifier import load_tuned_encoder, read_card
from rootstock.errors import InputError
from rootstock.export.figures import Export
from rootstock.export.rows import ComparedRows

Run = Callable[..., Export]


@pytest.fixture(scope="module")
def trees_model(text_model: Path, text_rows: ComparedRows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(text_model, tmp_path_factory.mktemp("trees") / "model"))
    (folder / "head.safetensors").unlink()
    assert text_rows.labels is not None
    labels = read_card(folder).labels
    head = grow(
        load_tuned_encoder(folder).embed(text_rows.inputs), np.array([labels.index(label) for label in text_rows.labels]),
        classes=3, rounds=20, seed=0,
        boosting=Boosting(learning_rate=0.2, leaves=4, rows_a_leaf=1, feature_share=1.0, l2=0.0),
    )  # fmt: skip
    head.write(folder)
    return folder


def test_the_merged_model_answers_the_same_in_a_process_of_its_own(
    run_export: Run, trees_model: Path, text_rows: ComparedRows, tmp_path: Path
) -> None:
    found = run_export(trees_model, tmp_path / "out", text_rows, "merged").formats[0]
    assert (tmp_path / "out/merged/head.lightgbm.txt").is_file()
    assert found.equal_labels.value == 1.0
    assert found.largest_difference < 1e-6
    assert "lightgbm" in found.packages


@pytest.mark.edge
@pytest.mark.parametrize("name", ["onnx", "onnx-int8"])
def test_a_graph_is_refused_in_one_line_and_nothing_is_written(
    run_export: Run, trees_model: Path, text_rows: ComparedRows, tmp_path: Path, name: str
) -> None:
    with pytest.raises(
        InputError, match=r"expected a linear head, found head\.lightgbm\.txt: .*; export --format merged, or train"
    ) as caught:
        run_export(trees_model, tmp_path / "out", text_rows, name)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
