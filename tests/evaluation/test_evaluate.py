"""The stage: one look at the test rows by every model, and loud about answers that are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Classifier, Prediction, group_hash, input_hash
from rootstock.errors import DataError
from rootstock.evaluation.evaluate import evaluate
from rootstock.evaluation.perturbation.letter_case import LetterCase
from rootstock.files import sha256_of
from rootstock.params import DataParams, EvaluationParams
from rootstock.records import (
    Artifact,
    Cost,
    Dataset,
    DatasetRevision,
    EvalReport,
    Incumbent,
    Ladder,
    PreparedData,
    Reloading,
    RowsFile,
    TrainedModel,
    ValidationReport,
)
from rootstock.reload import Reloaded

LABELS = ("bug", "praise", "wish")
PARAMS = EvaluationParams.model_construct(
    rows="held_out", folds=4, repeats=2, confidence=0.95, bootstrap_draws=100, calibration_bins=10, perturbations=(), reload=False
)
COST = {
    "milliseconds_per_row": {"value": 2.0, "low": 1.0, "high": 3.0, "n": 60, "unit": "milliseconds", "higher_is_better": False},
    "mib": 1.0, "peak_mib": 100.0, "machine": "a processor", "threads": 1,
}  # fmt: skip
VALIDATED = ValidationReport(
    passed=True, results=(), excluded_sources={}, suites=Artifact(path="suites", sha256="0" * 64), data_docs="index.html"
)


@dataclass(frozen=True)
class Fake:
    """Sure of the label that stands in the text, except for every so-many-eth row."""

    labels: tuple[str, ...] = LABELS
    wrong_every: int = 5
    broken: float | None = None
    modality_name: str = "text"
    temperature: float = 1.0

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
    params: EvaluationParams = PARAMS
    renamed: dict[str, str] = field(default_factory=dict)

    def run(self, folder: str = "evaluate") -> EvalReport:
        Path(folder).mkdir(exist_ok=True)
        data = DataParams.model_construct(renamed_labels=self.renamed)
        return evaluate(
            self.prepared,
            self.trained,
            self.ladder,
            self.incumbent,
            VALIDATED,
            data=data,
            evaluation=self.params,
            seed=0,
            folder=Path(folder),
        )

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
        "predicted:probe", "probability:probe", "probabilities:model", "slice:length",
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
    for name, measure in report.measures.items():  # sums over more columns at once may differ in the last bit
        other = report.champion.measures[name]
        assert (other.value, other.low, other.high) == pytest.approx((measure.value, measure.low, measure.high), abs=1e-12)
    rows = pd.read_parquet(report.predictions.path)
    assert (rows["predicted:champion"] == rows["predicted:model"]).all()


def test_a_champion_that_lacks_a_label_is_scored_on_the_shared_ones_and_says_so(project: Project) -> None:
    project.crown(Fake(labels=("bug", "question", "wish"), wrong_every=1000))
    report = project.run()
    assert report.champion is not None
    assert report.champion.measures["accuracy"].n == 40
    assert "compared on the 40 of 60 rows of the 2 classes that both know (bug, wish)" in report.champion.note
    rows = pd.read_parquet(report.predictions.path)
    assert rows.loc[rows["label"] == "praise", "predicted:champion"].isna().all()
    assert rows.loc[rows["label"] != "praise", "predicted:champion"].notna().all()


def test_what_became_of_the_classes_is_in_the_report(project: Project) -> None:
    project.crown(Fake(labels=("bug", "question", "wish")))
    report = project.run()
    assert (report.classes_added, report.classes_removed, report.classes_renamed) == (("praise",), ("question",), {})
    assert report.champion is not None
    assert "added: praise; removed: question" in report.champion.note


def test_a_renamed_class_of_the_champion_counts_as_the_one_it_is_now(project: Project) -> None:
    """The champion says "thanks" where the rows say "praise"."""
    project.renamed = {"thanks": "praise"}
    project.crown(Fake(labels=("bug", "thanks", "wish"), wrong_every=1000))
    report = project.run()
    assert report.champion is not None
    assert report.champion.measures["accuracy"].n == 60
    assert report.champion_labels == ("bug", "praise", "wish")
    assert (report.classes_added, report.classes_removed, report.classes_renamed) == ((), (), {"thanks": "praise"})
    assert report.champion.note == "version 3; its classes are not the task's (renamed: thanks to praise)"


def test_probabilities_of_two_classes_that_became_one_are_added(project: Project) -> None:
    project.renamed = {"thanks": "praise"}
    project.crown(Fake(labels=("bug", "praise", "thanks", "wish"), wrong_every=1000))
    rows = pd.read_parquet(project.run().predictions.path)
    said = np.stack(rows["probabilities:champion"].tolist())
    assert said.shape == (60, 3)
    np.testing.assert_allclose(said[1], [0.1 / 1.2, 1.0 / 1.2, 0.1 / 1.2], rtol=1e-6)


def test_kept_columns_stand_beside_the_answers_as_slices(project: Project) -> None:
    rows = pd.read_parquet("test.parquet")
    project.rewrite_test(rows.assign(**{"keep:region": ["north", "south", ""] * 20}).iloc[::-1])
    found = pd.read_parquet(project.run().predictions.path)
    assert found["slice:region"].tolist() == ["north", "south", ""] * 20
    assert set(found["slice:length"]) == {"short (5 to 6 characters)", "medium (7 to 9 characters)"}


def out_of_fold(project: Project, *, inflation: float = 2.25) -> EvalReport:
    """The project with its rows learned from, and how the model was made right where the ladder's file says so."""
    target = project.prepared.target
    splits = {"train": target.splits["test"]}
    project.prepared = PreparedData(target=target.model_copy(update={"splits": splits}), sources=(), unusable_sources={})
    rows = pd.read_parquet("ladder.parquet")
    labels = pd.read_parquet("test.parquet").set_index("id").loc[rows["id"], "label"].to_numpy()
    right = np.arange(60) % 2 == 0
    for place, label in enumerate(LABELS):
        said = np.where(right, labels, np.roll(LABELS, 1)[[LABELS.index(name) for name in labels]])
        rows[f"model:{label}"] = np.where(said == LABELS[place], 0.8, 0.1)
    project.rewrite_ladder(rows)
    project.ladder = project.ladder.model_copy(update={"variance_inflation": inflation})
    project.params = project.params.model_copy(update={"rows": "out_of_fold"})
    return project.run()


def test_out_of_fold_the_answers_of_the_folds_are_measured_and_those_of_the_model_kept_beside_them(project: Project) -> None:
    report = out_of_fold(project)
    assert (report.rows, report.variance_inflation) == ("out_of_fold", 2.25)
    assert report.measures["accuracy"].value == 0.5
    assert report.measures["accuracy"].n == 60
    rows = pd.read_parquet(report.predictions.path)
    assert (rows["predicted:model"] == rows["label"]).mean() == 0.5
    assert (rows["predicted:shipped"] == rows["label"]).mean() == pytest.approx(0.8)
    assert [scored.name for scored in report.baselines] == ["majority", "probe"]


def test_out_of_fold_intervals_are_as_wide_as_for_fewer_rows(project: Project) -> None:
    """Wilson's interval of 10 right of 20, by hand: 0.299 to 0.701."""
    accuracy = out_of_fold(project, inflation=3.0).measures["accuracy"]
    assert (accuracy.low, accuracy.high) == (pytest.approx(0.2993, abs=1e-4), pytest.approx(0.7007, abs=1e-4))


def test_out_of_fold_a_champion_is_not_compared_on_rows_it_learned_from(project: Project) -> None:
    project.crown(Fake(), learned=pd.read_parquet("test.parquet")["input"].tolist())
    report = out_of_fold(project)
    assert report.champion is not None
    assert report.champion.measures == {}
    assert "60 of 60 rows left out because it learned from them" in report.champion.note


def test_a_test_split_where_none_should_be_is_refused(project: Project) -> None:
    project.params = project.params.model_copy(update={"rows": "out_of_fold"})
    with pytest.raises(
        DataError, match=r"expected train rows to measure on \(evaluation.rows: out_of_fold\), found the splits test"
    ):
        project.run()


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


def test_the_model_is_asked_about_perturbed_rows_too(project: Project) -> None:
    project.params = PARAMS.model_copy(update={"perturbations": (LetterCase(to="lower"),)})
    report = project.run()
    rows = pd.read_parquet(report.predictions.path)
    assert (rows["predicted:model~letter_case"] == rows["predicted:model"]).all()


def test_the_shipped_model_is_asked_where_the_params_say_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def reload_model(folder: Path, inputs: Sequence[Any]) -> Reloaded:
        asked.append(folder)
        said = project.models["model"].predict(inputs).probabilities
        return Reloaded(LABELS[::-1], said[:, ::-1], np.full(60, 2.0), 100.0)

    monkeypatch.setattr("rootstock.evaluation.reloading.reload_model", reload_model)
    monkeypatch.setattr("rootstock.evaluation.reloading._bytes_read", lambda folder: 3 << 20)
    assert project.run().reloading is None
    project.params = PARAMS.model_copy(update={"reload": True})
    report = project.run("reloaded")
    rows = pd.read_parquet(report.predictions.path)
    assert asked == [Path(project.trained.model.path)]
    np.testing.assert_allclose(
        np.vstack(rows["probabilities:reloaded"].tolist()), np.vstack(rows["probabilities:model"].tolist()), atol=1e-6
    )
    assert report.reloading is not None
    assert report.reloading.cost is not None
    assert (report.reloading.cost.milliseconds_per_row.value, report.reloading.cost.mib) == (2.0, 3.0)


def test_what_it_cost_is_no_part_of_what_the_report_says(project: Project) -> None:
    report = project.run()
    one, other = (
        report.model_copy(update={"reloading": Reloading(failure=None, cost=Cost.model_validate(COST | {"mib": mib}))})
        for mib in (1.0, 2.0)
    )
    assert one.sha256() == other.sha256()


def test_the_report_knows_what_the_data_was(project: Project) -> None:
    facts = project.run().data
    assert facts is not None
    assert (facts.validated, facts.learned_rows, facts.rows) == (True, 0, 60)
    texts = list(pd.read_parquet("test.parquet")["input"])
    folder = Path(project.trained.model.path)
    (folder / "training_rows.json").write_text(json.dumps([input_hash(text) for text in texts[:7]]), encoding="utf-8")
    facts = project.run().data
    assert facts is not None
    assert facts.learned_rows == 7


def with_customers(project: Project, size: int) -> pd.DataFrame:
    """The test rows as those of customers with so many each."""
    rows = pd.read_parquet("test.parquet")
    rows = rows.assign(group=[f"customer {row // size}" for row in range(len(rows))])
    project.rewrite_test(rows)
    return rows


def test_intervals_are_wider_where_rows_of_a_group_fail_together(project: Project) -> None:
    """Every fifth row is wrong: gathered in three groups of four they tell less than spread over twelve."""
    with_customers(project, 5)
    spread = project.run()
    assert spread.groups == 12
    rows = pd.read_parquet("test.parquet")
    wrong = np.arange(60) % 5 == 0
    numbers = np.where(wrong, np.arange(60) // 20, 3 + np.cumsum(~wrong) // 5)
    project.rewrite_test(rows.assign(group=[f"customer {number}" for number in numbers]))
    together = project.run("again").measures
    for name in ("accuracy", "macro_f1", "log_loss", "brier"):
        apart = spread.measures[name]
        assert together[name].value == pytest.approx(apart.value)
        assert together[name].high - together[name].low > 1.2 * (apart.high - apart.low)


def test_the_answers_name_the_group_of_each_row(project: Project) -> None:
    given = with_customers(project, 4)
    report = project.run()
    assert pd.read_parquet(report.predictions.path)["group"].tolist() == given["group"].tolist()
    assert report.measured_on(60) == "60 test rows of 15 groups"


def test_a_champion_is_not_asked_about_others_of_a_group_that_it_learned_from(project: Project) -> None:
    with_customers(project, 4)
    project.crown(Fake())
    Path("champion/training_rows.json").write_text(json.dumps([group_hash("customer 0"), group_hash("customer 9")]))
    champion = project.run().champion
    assert champion is not None
    assert champion.measures["accuracy"].n == 52
    assert "8 of 60 rows left out because it learned from them" in champion.note
