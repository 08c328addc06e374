"""Windows and models with known answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Prediction
from rootstock.params import DataParams, MonitoringParams
from rootstock.part import Window

LABELS = ("high", "low", "middle")


@dataclass
class LengthClassifier:
    """Answers by the length of a text, and counts how often it is asked."""

    labels: tuple[str, ...] = LABELS
    asked: int = 0

    def predict(self, inputs: Sequence[Any]) -> Prediction:
        self.asked += 1
        sizes = np.array([len(value) for value in inputs], dtype=float)
        scores = np.stack([sizes / 20, 1 - sizes / 20, np.ones(len(sizes)) / 2], axis=1)
        odds = np.exp(scores)
        return Prediction(odds / odds.sum(axis=1, keepdims=True), np.stack([sizes, np.sqrt(sizes), np.sin(sizes)], axis=1))


@pytest.fixture
def classifier() -> LengthClassifier:
    return LengthClassifier()


@pytest.fixture
def draw_window() -> Callable[..., Window]:
    """A window of ``rows`` rows of noise; ``shift`` standard deviations away in every view."""

    def draw(rng: np.random.Generator, rows: int, shift: float = 0.0, width: int = 8) -> Window:
        logits = rng.normal(size=(rows, 3)) + shift * np.array([2.0, 0.0, 0.0])
        odds = np.exp(logits)
        return Window(
            descriptors=pd.DataFrame({"characters": rng.normal(size=rows) + shift, "digit_share": rng.poisson(0.1, rows) * 1.0}),
            embeddings=rng.normal(size=(rows, width)) + shift,
            probabilities=odds / odds.sum(axis=1, keepdims=True),
        )

    return draw


@pytest.fixture
def monitoring() -> Callable[..., MonitoringParams]:
    def make(*, floor: float = 0.0, permutations: int = 200, **changes: Any) -> MonitoringParams:
        values = {
            "window_rows": 40,
            "reference_rows": 100,
            "tests": [
                {"name": "descriptor_drift", "effect_floor": floor},
                {"name": "prediction_drift", "effect_floor": floor},
                {"name": "embedding_drift", "permutations": permutations, "effect_floor": floor},
            ],
            "alpha": 0.05,
            "looks": 1,
            "cool_down_hours": 24,
            "retrain_on_new_data": True,
        }
        return MonitoringParams.model_validate(values | changes)

    return make


@pytest.fixture
def data_params() -> DataParams:
    return DataParams.model_validate(
        {
            "registry": "data",
            "target": "docs",
            "sources": [],
            "revision": "latest",
            "columns": {"input": "text", "label": "label", "id": "key", "split": None, "keep": [], "group": None, "time": None},
            "modality": {"name": "text", "max_tokens": 32},
            "labels": None,
            "labelled_rows_per_class": 12,
            "renamed_labels": {},
            "test_fraction": 0.5,
            "test_rows": None,
            "source_rows": None,
            "max_characters": 20000,
            "max_pixels": None,
            "contamination_similarity": None,
        }
    )
