"""Files for ``dvc metrics`` and ``dvc plots``."""

from __future__ import annotations

import csv
import io

import pytest
from rootstock.records import Artifact, EvalReport, Measure, Scored
from rootstock_flows.experiment import confusion_csv, metrics, reliability_csv


def measure(value: float) -> Measure:
    return Measure(value=value, low=value - 0.1, high=value + 0.1, n=4, unit="share", higher_is_better=True)


@pytest.fixture
def report(tmp_path) -> EvalReport:
    import pandas as pd

    path = tmp_path / "predictions.parquet"
    pd.DataFrame(
        {
            "id": ["1", "2", "3", "4"],
            "label": ["a", "a", "b", "b"],
            "predicted:model": ["a", "b", "b", "b"],
            "probability:model": [0.95, 0.55, 0.65, 0.95],
        }
    ).to_parquet(path)
    return EvalReport(
        dataset="d", revision="d/v1", labels=("a", "b"), source=None, measures={"accuracy": measure(0.75)}, per_class={},
        baselines=(Scored(name="majority", measures={"accuracy": measure(0.5)}, note=""),), champion=None,
        confusion=((1, 1), (0, 2)), champion_labels=(), predictions=Artifact.of(path), seconds=1.0,
    )  # fmt: skip


def test_metrics_hold_every_model_with_its_interval(report):
    assert metrics(report) == {
        "model": {"accuracy": {"value": 0.75, "low": 0.65, "high": 0.85}},
        "majority": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.6}},
    }


def test_the_champion_stands_beside_them_where_there_is_one(report):
    champion = Scored(name="champion", measures={"accuracy": measure(0.7)}, note="")
    assert metrics(report.model_copy(update={"champion": champion}))["champion"]["accuracy"]["value"] == 0.7


def test_confusion_has_one_line_a_row(report):
    lines = list(csv.reader(io.StringIO(confusion_csv(report))))
    assert lines == [["label", "predicted"], ["a", "a"], ["a", "b"], ["b", "b"], ["b", "b"]]


def test_reliability_has_one_line_a_bin_that_is_not_empty(report):
    lines = list(csv.DictReader(io.StringIO(reliability_csv(report, bins=10))))
    assert [(float(line["stated"]), float(line["right"]), int(line["rows"])) for line in lines] == [
        (0.55, 0.0, 1), (0.65, 1.0, 1), (0.95, 1.0, 2),
    ]  # fmt: skip
