from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Classifier
from rootstock.errors import DataError
from rootstock.files import sha256_of, write_text
from rootstock.monitoring import monitor
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.monitoring.scored_rows import scored_rows
from rootstock.params import DataParams, MonitoringParams, RegistrationParams
from rootstock.records import Artifact, Dataset, DatasetRevision, DriftReport, PreparedData, RowsFile

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def texts(rng: np.random.Generator, rows: int, longer: int) -> list[str]:
    return ["word " * int(k) + str(i) for i, k in enumerate(rng.integers(1 + longer, 9 + longer, size=rows))]


@pytest.fixture
def look(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    monitoring: Callable[..., MonitoringParams],
    data_params: DataParams,
    classifier: Any,
) -> Callable[..., DriftReport]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Classifier, "load", lambda folder: classifier)

    def write(old: object, new: object, **where: object) -> tuple[Artifact, Artifact]:
        write_text(Path("page.html"), "page")
        return Artifact.of(Path("page.html")), Artifact.of(Path("page.html"))

    monkeypatch.setattr(monitor, "write_report", write)
    rng = np.random.default_rng(0)
    inputs = texts(rng, 100, 0)
    pd.DataFrame({"id": range(100), "input": inputs, "label": "low"}).to_parquet("test.parquet")
    rows = RowsFile(path="test.parquet", sha256=sha256_of(Path("test.parquet")), rows=100)
    revision = DatasetRevision(dataset="docs", revision="docs/v1", git_sha="0", md5="0")
    labels = classifier.labels
    target = Dataset(
        name="docs", modality="text", revision=revision, splits={"test": rows}, labels=labels, class_counts={}, contamination=None
    )
    log = PredictionLog.of(".rootstock", "docs")
    for name, longer in (("same", 0), ("longer", 6)):
        asked = texts(rng, 60, longer)
        scored = scored_rows([str(i) for i in range(60)], asked, classifier.labels, classifier.predict(asked))
        log.append(scored, version="3", batch=name, now=NOW)

    def run(batch: str | None, version: str = "3", data: DataParams = data_params) -> DriftReport:
        return monitor.monitor_window(
            PreparedData(target=target, sources=(), unusable_sources={}),
            model_folder=Path("model"),
            version=version,
            batch=batch,
            data=data,
            registration=RegistrationParams(model="docs", experiment="docs", approval="automatic", lease_seconds=60),
            monitoring=monitoring(floor=0.1, permutations=500),
            seed=0,
            workspace=".rootstock",
            folder=tmp_path,
            now=NOW,
        )

    return run


def test_longer_texts_are_drift_of_their_length_and_like_texts_are_none(look: Callable[..., DriftReport]) -> None:
    longer, same = look("longer"), look("same")
    assert longer.drifted
    assert "characters" in {result.view for result in longer.results if result.drifted}
    assert not same.drifted
    assert (same.model, same.version, same.window, same.rows, same.reference_rows) == ("docs", "3", "same", 40, 100)
    assert same.created == "2026-03-01T00:00:00+00:00"


def test_the_same_look_twice_gives_the_same_results(look: Callable[..., DriftReport]) -> None:
    assert look(None).results == look(None).results


def test_a_version_without_predictions_is_told(look: Callable[..., DriftReport]) -> None:
    with pytest.raises(DataError, match=r"at least 40 rows .* version 4, found 0"):
        look(None, version="4")


def test_customers_who_ask_again_and_again_are_no_drift(
    tmp_path: Path, look: Callable[..., DriftReport], data_params: DataParams
) -> None:
    """Each of 60 customers writes texts of a length of its own; in the window, ten of them ask 19 times as often."""
    rng = np.random.default_rng(4)
    lengths = rng.integers(1, 9, size=60)
    lengths[50:] = 8
    names = np.repeat(np.arange(60), [1] * 50 + [19] * 10)
    asked = ["word " * int(lengths[name]) + str(n) for n, name in enumerate(names)]
    ids, log = [str(n) for n in range(len(asked))], PredictionLog.of(".rootstock", "docs")
    classifier = Classifier.load(tmp_path)
    rows = scored_rows(ids, asked, classifier.labels, classifier.predict(asked))
    log.append(rows.assign(**{"keep:customer": [f"c{name}" for name in names]}), version="3", batch="often", now=NOW)
    assert look("often").drifted
    columns = data_params.columns.model_copy(update={"group": "customer"})
    grouped = look("often", data=data_params.model_copy(update={"columns": columns}))
    assert not grouped.drifted
    assert (grouped.rows, grouped.drawn_from) == (40, 240)
