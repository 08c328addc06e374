"""A champion as the start of a task whose classes are not the same: its head is cut and grown, what it knows is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Classifier
from rootstock.files import sha256_of
from rootstock.finetuning.finetune import finetune, options_of
from rootstock.finetuning.starts import find_starts
from rootstock.records import PreparedData, TunedBackbone


@pytest.fixture
def sections(tiny_params) -> dict[str, Any]:
    return {name: getattr(tiny_params, name) for name in ("data", "backbone", "finetuning", "seed")} | {"workspace": "w"}


@pytest.fixture
def champion(tiny_data, tiny_backbone, sections) -> TunedBackbone:
    """Trained on boats, bread and stars, from the backbone alone."""
    nothing = TunedBackbone(
        source=None, backbone=str(tiny_backbone), method="none", model=None, matched_labels={}, rows=0, curves=(), seconds=0.0
    )
    model = finetune(tiny_data, nothing, **sections, folder=Path("first")).model
    return nothing.model_copy(update={"source": "champion", "model": model})


def with_labels(prepared: PreparedData, names: dict[str, str]) -> PreparedData:
    """Other rows under other names."""
    rows = pd.read_parquet("target-test.parquet").replace({"label": names})
    rows.to_parquet("changed.parquet", index=False)
    file = prepared.target.splits["train"].model_copy(
        update={"path": "changed.parquet", "sha256": sha256_of(Path("changed.parquet")), "rows": len(rows)}
    )
    changes = {"labels": tuple(sorted(set(rows["label"]))), "splits": prepared.target.splits | {"train": file}}
    return prepared.model_copy(update={"target": prepared.target.model_copy(update=changes)})


def test_its_rows_of_the_shared_classes_are_the_prior_and_a_new_class_starts_between_them(
    tiny_data, champion, sections, tiny_params
) -> None:
    """stars has become a new class, comets; bread is now called loaves."""
    prepared = with_labels(tiny_data, {"stars": "comets", "bread": "loaves"})
    tuned = champion.model_copy(update={"matched_labels": {"boats": "boats", "loaves": "bread"}})
    learning = tiny_params.finetuning
    starts = find_starts(
        prepared, tuned, data=tiny_params.data, backbone=tiny_params.backbone, finetuning=learning, workspace="w",
        folder=Path("second"),
    )  # fmt: skip
    options, _ = options_of(prepared, tuned, finetuning=learning, starts=starts)
    learned, prior = Classifier.load_head(Path(tuned.model.path)), options[0].start.prior
    assert (options[0].source, prior.weight.shape[0]) == ("champion", 3)
    np.testing.assert_array_equal(prior.weight[[0, 2]], learned.weight[:2])
    np.testing.assert_allclose(prior.weight[1], learned.weight[:2].mean(axis=0))
    assert options[-1].start.prior is None


def test_it_is_trained_on_to_a_model_of_the_new_classes(tiny_data, champion, sections) -> None:
    prepared = with_labels(tiny_data, {"stars": "comets"})
    trained = finetune(prepared, champion, **sections, folder=Path("second"))
    assert Classifier.load(Path(trained.model.path)).labels == ("boats", "bread", "comets")
