"""The stage: one look at the test rows by every model, and loud about answers that are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Classifier, Prediction, input_hash
from rootstock.errors import DataError
from rootstock.evaluation.evaluate import evaluate
from rootstock.files import sha256_of
from rootstock.params import EvaluationParams
from rootstock.records import (
    Artifact,
    Dataset,
    DatasetRevision,
    EvalReport,
    Incumbent,
    Ladder,
    PreparedData,
    RowsFile,
    TrainedModel,
)

LABELS = ("bug", "praise", "wish")
PARAMS = EvaluationParams.model_construct(confidence=0.95, bootstrap_draws=100, calibration_bins=10)


@dataclass(frozen=True)
class Fake:
    """Sure of the label that stands in the text, except for every so-many-eth row."""

    labels: tuple[str, ...] = LABELS
    wrong_every: int = 5
    broken: float | None = None
    modality_name: str = "text"

    @property
    def modality(self) -> Any:
        return SimpleNamespace(name=self.modality_name)

    def predict(self, inputs: Sequence[str]) -> Prediction:
        p = np.full((len(inputs), len(self.labels)), 0.1)
        for row, text in enumerate(inputs):
            number, label = text.split()
            right = self.labels.index(label) if label in self.labels else 0
            p[row, (right + (int(number) % self.wrong_every == 0)) % len(self.labels)] = 0.9
        p /= p.sum(axis=1, keepdims=True)
        if self.broken is not None:
            p[3, 1] = self.broken
        return Prediction(p, np.zeros((len(inputs), 2)))


@dataclass
class Project:
    """A prepared project in the working directory, with models by folder name."""

    prepared: PreparedData
    trained: TrainedModel
    ladder: Ladder
    models: dict[str, Fake]
    incumbent: Incumbent

    def run(self, folder: str = "evaluate") -> EvalReport:
        Path(folder).mkdir(exist_ok=True)
        return evaluate(self.prepared, self.trained, self.ladder, self.incumbent, evaluation=PARAMS, seed=0, folder=Path(folder))

    def crown(self, model: Fake, *, learned: Sequence[str] = ()) -> None:
        Path("champion").mkdir()
        Path("champion/training_rows.json").write_text(json.dumps([input_hash(text) for text in learned]))
        self.models["champion"] = model
        self.incumbent = Incumbent(version="3", model=Artifact.of(Path("champion")), run_key="k", earlier=())

    def rewrite_test(self, rows: pd.DataFrame) -> None:
        path = Path("test.parquet")
        rows.to_parquet(path, index=False)
        target = self.prepared.target.model_copy(update={"splits": {"test": _rows_file(path, len(rows))}})
        self.prepared = PreparedData(target=target, sources=(), unusable_sources={})

    def rewrite_ladder(self, rows: pd.DataFrame) -> None:
        rows.to_parquet("ladder.parquet", index=False)


def _rows_file(path: Path, rows: int) -> RowsFile:
    return RowsFile(path=path.as_posix(), sha256=sha256_of(path), rows=rows)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    labels = [LABELS[i % 3] for i in range(60)]
    ids = [f"r{i:03d}" for i in range(60)]
    test = pd.DataFrame({"id": ids, "input": [f"{i} {label}" for i, label in enumerate(labels)], "label": labels})
    test.to_parquet("test.parquet", index=False)
    revision = DatasetRevision(dataset="bugs", revision="bugs/v1", git_sha="0" * 40, md5="0" * 32)
    target = Dataset(
        name="bugs",
        modality="text",
        revision=revision,
        splits={"test": _rows_file(Path("test.parquet"), 60)},
        labels=LABELS,
        class_counts={},
        contamination=None,
    )
    rungs = ("majority", "probe")
    ladder = pd.DataFrame({"id": ids[::-1], **{f"{rung}:{label}": 0.25 for rung in rungs for label in LABELS}})
    for rung in rungs:
        ladder[f"{rung}:wish"] = 0.5
    ladder.to_parquet("ladder.parquet", index=False)
    Path("model").mkdir()
    models = {"model": Fake()}
    monkeypatch.setattr(Classifier, "load", lambda folder: models[folder.name])
    return Project(
        prepared=PreparedData(target=target, sources=(), unusable_sources={}),
        trained=TrainedModel.model_construct(model=Artifact.of(Path("model")), source="films"),
        ladder=Ladder(predictions=Artifact.of(Path("ladder.parquet")), rungs=rungs, notes={"probe": "frozen"}, seconds=0.0),
        models=models,
        incumbent=Incumbent(version=None, model=None, run_key=None, earlier=()),
    )


def test_the_model_the_rungs_and_their_answers_are_all_reported(project: Project) -> None:
    report = project.run()
    assert report.measures["accuracy"].value == pytest.approx(0.8)
    assert [(rung.name, rung.note) for rung in report.baselines] == [("majority", ""), ("probe", "frozen")]
    assert report.baselines[0].measures["accuracy"].value == pytest.approx(1 / 3)
    assert report.source == "films"
    assert report.champion is None
    assert np.array(report.confusion).sum() == 60
    assert set(report.per_class) == set(LABELS)
    rows = pd.read_parquet(report.predictions.path)
    assert list(rows.columns) == [
        "id", "label", "predicted:model", "probability:model", "predicted:majority", "probability:majority",
        "predicted:probe", "probability:probe",
    ]  # fmt: skip
    assert (rows["predicted:model"] == rows["label"]).mean() == pytest.approx(0.8)
    assert set(rows["predicted:majority"]) == {"wish"}


def test_the_order_of_the_test_rows_and_of_the_ladders_changes_nothing(project: Project) -> None:
    first = project.run()
    project.rewrite_test(pd.read_parquet("test.parquet").sample(frac=1, random_state=3))
    project.rewrite_ladder(pd.read_parquet("ladder.parquet").sample(frac=1, random_state=4))
    assert project.run("again").sha256() == first.sha256()


def test_a_model_with_its_labels_in_another_order_is_read_by_name(project: Project) -> None:
    expected = project.run().measures
    project.models["model"] = replace(Fake(), labels=LABELS[::-1])
    found = project.run()
    assert found.measures["accuracy"].value == pytest.approx(expected["accuracy"].value)


def test_a_champion_of_the_same_labels_is_scored_on_all_rows(project: Project) -> None:
    project.crown(Fake(labels=LABELS[::-1], wrong_every=4))
    champion = project.run().champion
    assert champion is not None
    assert champion.measures["accuracy"].n == 60
    assert champion.measures["accuracy"].value == pytest.approx(0.75)
    assert champion.note == "version 3"


def test_identical_champion_and_model_have_identical_answers(project: Project) -> None:
    project.crown(Fake())
    report = project.run()
    assert report.champion is not None
    assert report.champion.measures == report.measures
    rows = pd.read_parquet(report.predictions.path)
    assert (rows["predicted:champion"] == rows["predicted:model"]).all()


def test_a_champion_that_lacks_a_label_is_scored_on_the_shared_ones_and_says_so(project: Project) -> None:
    project.crown(Fake(labels=("bug", "question", "wish"), wrong_every=1000))
    report = project.run()
    assert report.champion is not None
    assert report.champion.measures["accuracy"].n == 40
    assert "scored on the 40 of 60 rows of the 2 labels that both know" in report.champion.note
    rows = pd.read_parquet(report.predictions.path)
    assert rows.loc[rows["label"] == "praise", "predicted:champion"].isna().all()
    assert rows.loc[rows["label"] != "praise", "predicted:champion"].notna().all()


def test_rows_that_the_champion_learned_from_are_left_out(project: Project) -> None:
    project.crown(Fake(), learned=["7 praise", "8  WISH"])
    champion = project.run().champion
    assert champion is not None
    assert champion.measures["accuracy"].n == 58
    assert "2 of 60 rows left out because it learned from them" in champion.note


@pytest.mark.parametrize("champion", [Fake(labels=("x", "y")), Fake(modality_name="image")])
def test_a_champion_that_cannot_be_asked_has_no_measures_and_a_note(champion: Fake, project: Project) -> None:
    project.crown(champion)
    report = project.run()
    assert report.champion is not None
    assert report.champion.measures == {}
    assert report.champion.note
    assert pd.read_parquet(report.predictions.path)["predicted:champion"].isna().all()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -0.2, 0.5])
def test_answers_that_are_no_probabilities_are_refused_with_the_row(broken: float, project: Project) -> None:
    project.models["model"] = Fake(broken=broken)
    with pytest.raises(DataError, match=r"model model: expected finite probabilities that sum to 1, found .* for row r003"):
        project.run()
    assert list(Path("evaluate").iterdir()) == []


def test_a_model_of_other_labels_is_refused(project: Project) -> None:
    project.models["model"] = Fake(labels=("bug", "wish"))
    with pytest.raises(DataError, match="expected a model of the labels bug, praise, wish, found bug, wish"):
        project.run()


def test_a_ladder_without_a_row_is_refused(project: Project) -> None:
    project.rewrite_ladder(pd.read_parquet("ladder.parquet").iloc[1:])
    with pytest.raises(DataError, match=r"expected all 60 test rows, 1 are missing \(r059\)"):
        project.run()


def test_a_ladder_with_a_row_twice_is_refused(project: Project) -> None:
    rows = pd.read_parquet("ladder.parquet")
    project.rewrite_ladder(pd.concat([rows, rows.iloc[:1]]))
    with pytest.raises(DataError, match="expected each row once, found r059 twice"):
        project.run()


def test_a_ladder_without_a_column_is_refused(project: Project) -> None:
    project.rewrite_ladder(pd.read_parquet("ladder.parquet").drop(columns="probe:bug"))
    with pytest.raises(DataError, match=r"expected the column 'probe:bug' \(1 are missing\)"):
        project.run()


def test_no_test_rows_are_refused(project: Project) -> None:
    project.rewrite_test(pd.read_parquet("test.parquet").iloc[:0])
    with pytest.raises(DataError, match="expected test rows, found none"):
        project.run()


def test_three_test_rows_are_measured(project: Project) -> None:
    project.rewrite_test(pd.read_parquet("test.parquet").iloc[:3])
    report = project.run()
    assert report.measures["accuracy"].n == 3
    assert report.measures["accuracy"].high - report.measures["accuracy"].low > 0.5
