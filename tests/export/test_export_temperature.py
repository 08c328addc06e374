"""A temperature goes with the model into every format."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rootstock.classifier import Classifier
from rootstock.errors import DataError
from rootstock.export.figures import Export
from rootstock.export.rows import ComparedRows
from rootstock.fingerprint import seal_model


@pytest.fixture
def tempered_model(text_model: Path, tmp_path: Path) -> Path:
    """The tiny model, sealed with a temperature of 2.5."""
    folder = Path(shutil.copytree(text_model, tmp_path / "model"))
    card = json.loads((folder / "rootstock.json").read_text(encoding="utf-8"))
    (folder / "rootstock.json").write_text(json.dumps(card | {"format": 2, "temperature": 2.5}), encoding="utf-8")
    seal_model(folder)
    return folder


@pytest.mark.parametrize("kind", ["merged", pytest.param("onnx", marks=pytest.mark.edge)])
def test_the_exported_model_gives_the_tempered_probabilities(
    kind: str, tempered_model: Path, text_model: Path, text_rows: ComparedRows, run_export: Callable[..., Export], tmp_path: Path
) -> None:
    found = run_export(tempered_model, tmp_path / "exported", text_rows, kind).formats[0]
    assert found.largest_difference < 1e-4
    plain, tempered = (Classifier.load(folder).predict(text_rows.inputs).probabilities for folder in (text_model, tempered_model))
    assert np.abs(plain - tempered).max() > 0.05


def test_a_damaged_model_is_not_exported(
    tempered_model: Path, text_rows: ComparedRows, run_export: Callable[..., Export], tmp_path: Path
) -> None:
    card = (tempered_model / "rootstock.json").read_text(encoding="utf-8")
    (tempered_model / "rootstock.json").write_text(card.replace("2.5", "1.0"), encoding="utf-8")
    with pytest.raises(DataError, match=r"expected the temperature 2\.5, as it was sealed, found 1"):
        run_export(tempered_model, tmp_path / "exported", text_rows, "merged")
    assert not (tmp_path / "exported").exists()
