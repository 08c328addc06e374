"""The stages tune, finetune and ladder on tiny prepared data."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rootstock.classifier import Classifier, input_hash, read_card, training_hashes
from rootstock.errors import DataError, ParamsError
from rootstock.files import sha256_of
from rootstock.finetuning.finetune import finetune
from rootstock.finetuning.ladder import climb
from rootstock.finetuning.tune import tune
from rootstock.records import Incumbent, PreparedData, SourceRanking, TrainedModel, TunedBackbone

NOBODY = Incumbent(version=None, model=None, run_key=None)
NOTHING = TunedBackbone(source=None, method="none", model=None, rows=0, curves=(), seconds=0.0)


def ranking(chosen, kind):
    return SourceRanking(candidates=(), chosen=chosen, chosen_kind=kind, reason="", rows=18, seconds=0.0)


@pytest.fixture(scope="module")
def sections(tiny_params):
    return {name: getattr(tiny_params, name) for name in ("data", "backbone", "finetuning", "seed")} | {"workspace": "w"}


@pytest.fixture(scope="module")
def finished(sections, write_tiny_data, tmp_path_factory) -> tuple[Path, TunedBackbone, TrainedModel]:
    """A project folder in which the backbone was tuned and adapted; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepared = write_tiny_data()
        tuned = tune(prepared, ranking("related", "domain"), NOBODY, **sections, folder=Path("tuned"))
        return folder, tuned, finetune(prepared, tuned, **sections, folder=Path("trained"))


@pytest.fixture
def tiny_data(finished, write_tiny_data, tmp_path, monkeypatch) -> PreparedData:
    shutil.copytree(finished[0], tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return write_tiny_data()


@pytest.fixture
def tuned(tiny_data, finished) -> TunedBackbone:
    return finished[1]


@pytest.fixture
def trained(tiny_data, finished) -> TrainedModel:
    return finished[2]


@pytest.fixture
def adapted(tiny_data, sections):
    def run(tuned: TunedBackbone, prepared: PreparedData = tiny_data, **changes) -> TrainedModel:
        return finetune(prepared, tuned, **(sections | changes), folder=Path("trained"))

    return run


def with_train(prepared: PreparedData, frame: pd.DataFrame) -> PreparedData:
    path = Path("changed.parquet")
    frame.to_parquet(path, index=False)
    file = prepared.target.splits["train"].model_copy(
        update={"path": path.as_posix(), "sha256": sha256_of(path), "rows": len(frame)}
    )
    return prepared.model_copy(
        update={"target": prepared.target.model_copy(update={"splits": prepared.target.splits | {"train": file}})}
    )


def test_tuning_learns_the_chosen_source_and_nothing_of_the_target(tuned, tiny_data):
    assert (tuned.source, tuned.method, tuned.rows) == ("related", "lora", 60)
    model = Classifier.load(Path(tuned.model.path))
    assert model.labels == tiny_data.sources[0].labels
    assert read_card(Path(tuned.model.path)).adapters == ("adapters/0-related",)
    target = {input_hash(text) for text in pd.read_parquet("target-train.parquet")["input"]}
    source = {input_hash(text) for text in pd.read_parquet("related-train.parquet")["input"]}
    assert training_hashes(Path(tuned.model.path)) == source
    assert not source >= target
    assert len(tuned.curves[0].x) == len(tuned.curves[0].y) == 2
    assert tuned.damage() == ()


@pytest.mark.parametrize("kind", ["backbone", "champion"])
def test_without_a_domain_there_is_nothing_to_tune(tiny_data, sections, tuned, kind):
    champion = Incumbent(version="3", model=tuned.model, run_key="k")
    chosen = "champion" if kind == "champion" else None
    found = tune(tiny_data, ranking(chosen, kind), champion, **sections, folder=Path("none"))
    assert (found.method, found.rows, found.source) == ("none", 0, chosen)
    assert found.model == (tuned.model if kind == "champion" else None)
    assert not Path("none").exists()


def test_the_backbone_alone_is_among_the_options_as_control(trained):
    tried = {(score.method, score.source) for score in trained.cross_validation}
    assert tried == {("linear_probe", "related"), ("lora", "related"), ("linear_probe", None), ("lora", None)}


def test_the_lowest_loss_is_refitted_and_saved_with_the_reason(trained):
    found = trained
    best = found.cross_validation[0]
    assert best.log_loss.value == min(score.log_loss.value for score in found.cross_validation)
    assert (found.method, found.source) == (best.method, best.source)
    assert found.reason.startswith(f"{best.method} from ")
    assert all(f"{score.log_loss.value:.3f}" in found.reason for score in found.cross_validation)
    assert Classifier.load(Path(found.model.path)).labels == ("boats", "bread", "stars")
    assert found.damage() == ()
    assert 0 < found.trainable_parameters < found.total_parameters


def test_epochs_and_curves_are_of_the_methods_that_have_epochs(trained):
    found = trained
    assert {score.method: score.epochs is None for score in found.cross_validation} == {"linear_probe": True, "lora": False}
    heldout = [curve for curve in found.curves if curve.name.startswith("held-out")]
    assert {curve.name.removeprefix("held-out loss, ").split(" from ")[0] for curve in heldout} == {"lora"}
    assert all(curve.x == (1.0, 2.0) for curve in heldout)


def test_the_model_knows_the_rows_of_the_target_and_of_what_it_stands_on(adapted, trained, tuned):
    target = {input_hash(text) for text in pd.read_parquet("target-train.parquet")["input"]}
    assert trained.source == "related"
    assert training_hashes(Path(trained.model.path)) == target | training_hashes(Path(tuned.model.path))
    alone = adapted(NOTHING)
    assert training_hashes(Path(alone.model.path)) == target
    assert alone.source is None


def test_the_same_seed_gives_the_same_record_and_test_rows_are_not_read(adapted, tuned, trained):
    Path("target-test.parquet").unlink()
    again = adapted(tuned)
    assert again.model == trained.model
    assert again.sha256() == trained.sha256()


@pytest.fixture
def from_champion(trained) -> TunedBackbone:
    """The start that is a champion which has learned from every labelled row."""
    Path(trained.model.path).rename("champion")
    return NOTHING.model_copy(update={"source": "champion", "model": trained.model.model_copy(update={"path": "champion"})})


def test_all_rows_are_scored_where_the_champion_has_seen_every_one(adapted, from_champion):
    assert {score.accuracy.n for score in adapted(from_champion).cross_validation} == {18}


def test_new_rows_alone_are_scored_where_the_champion_has_seen_the_others(adapted, from_champion, tiny_data, topic_texts):
    old = pd.read_parquet("target-train.parquet")
    texts, labels = topic_texts(3, seed=77)
    new = pd.DataFrame({"id": [f"new-{n}" for n in range(9)], "input": [f"old old {text}" for text in texts], "label": labels})
    found = adapted(from_champion, with_train(tiny_data, pd.concat([old, new])))
    assert {score.accuracy.n for score in found.cross_validation} == {9}
    assert {score.source for score in found.cross_validation} == {"champion", None}


def test_a_class_with_one_row_is_a_data_error(adapted, tiny_data):
    frame = pd.read_parquet("target-train.parquet")
    few = pd.concat([frame[frame["label"] != "stars"], frame[frame["label"] == "stars"].head(1)])
    with pytest.raises(DataError, match="found a class with 1"):
        adapted(NOTHING, with_train(tiny_data, few))


@pytest.fixture
def ladder(tiny_data, sections, tiny_params):
    def run(prepared: PreparedData = tiny_data, **changes) -> pd.DataFrame:
        Path("ladder").mkdir(exist_ok=True)
        given = sections | {"evaluation": tiny_params.evaluation} | changes
        found = climb(prepared, **given, folder=Path("ladder"))
        assert found.rungs == ("majority", "surface_logistic", "from_scratch", "linear_probe")
        assert set(found.notes) == set(found.rungs)
        return pd.read_parquet(found.predictions.path)

    return run


def test_every_rung_gives_probabilities_for_every_test_row(ladder):
    found = ladder()
    assert list(found["id"]) == list(pd.read_parquet("target-test.parquet")["id"])
    for rung in ("majority", "surface_logistic", "from_scratch", "linear_probe"):
        columns = [f"{rung}:{label}" for label in ("boats", "bread", "stars")]
        np.testing.assert_allclose(found[columns].sum(axis=1), 1.0, atol=1e-6)
    assert set(found["majority:boats"].round(6)) == {0.333333}


def test_the_ladder_reads_no_test_labels(ladder, tiny_data):
    before = ladder()
    path = Path("target-test.parquet")
    frame = pd.read_parquet(path)
    frame["label"] = frame["label"].sample(frac=1, random_state=5).to_numpy()
    frame.to_parquet(path, index=False)
    file = tiny_data.target.splits["test"].model_copy(update={"sha256": sha256_of(path)})
    target = tiny_data.target.model_copy(update={"splits": tiny_data.target.splits | {"test": file}})
    pd.testing.assert_frame_equal(ladder(tiny_data.model_copy(update={"target": target})), before)


def test_a_probe_on_a_backbone_that_knows_the_topics_beats_the_majority(ladder):
    found, labels = ladder(), pd.read_parquet("target-test.parquet")["label"]
    said = found.filter(like="linear_probe:").to_numpy().argmax(axis=1)
    assert np.mean(np.array(["boats", "bread", "stars"])[said] == labels) > 0.7


def test_a_control_that_trains_nothing_is_wrong_input(ladder, tiny_params):
    probe = tiny_params.finetuning.methods[0]
    with pytest.raises(ParamsError, match=r"evaluation\.scratch: .*'linear_probe'.*choose a method that trains"):
        ladder(evaluation=tiny_params.evaluation.model_copy(update={"scratch": probe}))
