from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from rootstock.monitoring.evidently_report import SHOWN_CLASSES, Sample, write_report
from rootstock.part import Window
from rootstock.records import Artifact

Draw = Callable[..., Window]
LABELS = ("high", "low", "middle")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidently")


def sample(window: Window) -> Sample:
    return Sample(window, [LABELS[i] for i in window.probabilities.argmax(axis=1)], LABELS)


def test_page_figures_and_workspace_hold_every_column(draw_window: Draw, folder: Path) -> None:
    rng = np.random.default_rng(0)
    old, new = sample(draw_window(rng, 100)), sample(draw_window(rng, 40, shift=1))
    before = new.window.descriptors.copy()
    artifacts: list[tuple[Artifact, Artifact]] = []
    for name in ("monday", "tuesday"):
        (folder / name).mkdir()
        artifacts.append(
            write_report(
                old,
                new,
                level=0.001,
                folder=folder / name,
                workspace=folder / "workspace",
                project="docs",
                name=name,
                now=datetime(2026, 3, 1, tzinfo=UTC),
            )
        )
    html, figures = artifacts[0]
    columns = {"characters", "digit_share", "confidence", "predicted", *(f"probability:{label}" for label in LABELS)}
    page = Path(html.path).read_text(encoding="utf-8")
    assert "<html" in page
    assert all(column in page for column in columns)
    metrics = json.loads(Path(figures.path).read_text(encoding="utf-8"))["metrics"]
    found = {metric["config"].get("column"): metric for metric in metrics}
    assert columns <= set(found)
    assert {found[c]["config"]["threshold"] for c in columns - {"predicted"}} == {0.001}
    assert found["characters"]["value"] < 0.001 < found["digit_share"]["value"]
    embedding = next(metric for metric in metrics if metric["config"]["type"].endswith("EmbeddingsDrift"))
    assert embedding["value"] > 0.8
    projects = [path for path in (folder / "workspace").iterdir() if path.is_dir()]
    assert len(projects) == 1
    assert len(list((projects[0] / "snapshots").iterdir())) == 2
    assert new.window.descriptors.equals(before)


def test_of_many_classes_the_likeliest_are_shown(draw_window: Draw, folder: Path) -> None:
    rng = np.random.default_rng(1)
    labels = tuple(f"class {place:03}" for place in range(300))
    weights = np.where(np.arange(300) % 25 == 7, 50.0, 1.0)
    samples = []
    for _ in range(2):
        window = draw_window(rng, 30)
        probabilities = rng.dirichlet(weights, size=30)
        predicted = [labels[place] for place in probabilities.argmax(axis=1)]
        samples.append(Sample(replace(window, probabilities=probabilities), predicted, labels))
    (folder / "many").mkdir()
    _, figures = write_report(
        *samples, level=0.001, folder=folder / "many", workspace=folder / "workspace", project="many", name="monday",
        now=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    metrics = json.loads(Path(figures.path).read_text(encoding="utf-8"))["metrics"]
    shown = [column for metric in metrics if (column := str(metric["config"].get("column"))).startswith("probability:")]
    assert len(shown) == SHOWN_CLASSES
    assert {f"probability:class {place:03}" for place in range(7, 300, 25)} < set(shown)
    assert shown == sorted(shown)
