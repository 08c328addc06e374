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
from rootstock.records import EarlierVersion, Incumbent, Ladder, PreparedData, Selection, TrainedModel, TunedBackbone

NOBODY = Incumbent(version=None, model=None, run_key=None, earlier=())
RUNGS = ("majority", "surface_logistic", "from_scratch", "linear_probe", "no_transfer")


@pytest.fixture(scope="module")
def selection(tiny_backbone):
    """Gives what select settled, on the tiny backbone unless another is named."""

    def make(chosen, kind, *, backbone=str(tiny_backbone), matched=None):
        return Selection(
            chosen=chosen, chosen_name=chosen, chosen_kind=kind, backbone=backbone, matched_labels=matched or {}, rounds=(),
            reason="", rows_trained=0, seconds=0.0,
        )  # fmt: skip

    return make


@pytest.fixture(scope="module")
def nothing(tiny_backbone) -> TunedBackbone:
    """The backbone as it is."""
    return TunedBackbone(
        source=None, backbone=str(tiny_backbone), method="none", model=None, matched_labels={}, rows=0, curves=(), seconds=0.0
    )


@pytest.fixture(scope="module")
def other_backbone(tiny_backbone, tmp_path_factory) -> Path:
    """The same architecture with weights of its own."""
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_backbone, tmp_path_factory.mktemp("other") / "backbone")
    weights = load_file(folder / "model.safetensors")
    save_file({name: weight * 1.1 for name, weight in weights.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def sections(tiny_params):
    return {name: getattr(tiny_params, name) for name in ("data", "backbone", "finetuning", "seed")} | {"workspace": "w"}


@pytest.fixture(scope="module")
def finished(sections, write_tiny_data, tmp_path_factory, selection) -> tuple[Path, TunedBackbone, TrainedModel]:
    """A project folder in which the backbone was tuned and adapted; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepared = write_tiny_data()
        tuned = tune(prepared, selection("related", "domain"), NOBODY, **sections, folder=Path("tuned"))
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


def test_several_sources_are_learned_at_once(tiny_data, sections, selection):
    found = tune(tiny_data, selection("related + unrelated", "domain"), NOBODY, **sections, folder=Path("together"))
    assert (found.source, found.rows) == ("related + unrelated", 120)
    labels = {label for source in tiny_data.sources for label in source.labels}
    assert read_card(Path(found.model.path)).labels == tuple(sorted(labels))
    assert read_card(Path(found.model.path)).adapters == ("adapters/0-related-and-unrelated",)
    rows = pd.concat([pd.read_parquet(f"{name}-train.parquet") for name in ("related", "unrelated")])
    assert training_hashes(Path(found.model.path)) == {input_hash(text) for text in rows["input"]}
    assert found.damage() == ()


@pytest.mark.parametrize(("chosen", "kind"), [(None, "backbone"), ("backbone alone", "backbone"), ("from scratch", "scratch")])
def test_without_a_source_the_backbone_stays_as_it_is(tiny_data, sections, selection, other_backbone, chosen, kind):
    picked = selection(chosen, kind, backbone=str(other_backbone))
    found = tune(tiny_data, picked, NOBODY, **sections, folder=Path("none"))
    assert (found.source, found.method, found.rows, found.model) == (None, "none", 0, None)
    assert found.backbone == str(other_backbone)
    assert not Path("none").exists()


@pytest.mark.parametrize(("chosen", "kind", "which"), [("champion", "champion", 0), ("version 2", "version", 1)])
def test_a_registered_model_is_the_start_as_it_stands(
    tiny_data, sections, tuned, trained, selection, tiny_backbone, chosen, kind, which
):
    models = (tuned.model, trained.model)
    incumbent = Incumbent(version="3", model=models[0], run_key="k", earlier=(EarlierVersion(version="2", model=models[1]),))
    picked = selection(chosen, kind, backbone="another today", matched={"boats": "ships"})
    found = tune(tiny_data, picked, incumbent, **sections, folder=Path("none"))
    assert (found.source, found.method, found.rows, found.model) == (chosen, "none", 0, models[which])
    assert (found.backbone, found.matched_labels) == (sections["backbone"].name, {"boats": "ships"})


@pytest.mark.parametrize(
    ("chosen", "kind", "said"),
    [
        ("relatde", "domain", "unknown source 'relatde'; known: related, unrelated; did you mean 'related'"),
        ("related + unrelatde", "domain", "unknown source 'unrelatde'; known: related, unrelated; did you mean 'unrelated'"),
        ("version 7", "version", "unknown earlier version '7'; known: none"),
        ("champion", "champion", "expected a champion to start from, found none in the registry"),
    ],
)
def test_a_selection_of_what_is_not_there_is_a_data_error(tiny_data, sections, selection, chosen, kind, said):
    with pytest.raises(DataError, match=said):
        tune(tiny_data, selection(chosen, kind), NOBODY, **sections, folder=Path("none"))


def test_a_source_is_learned_on_the_selected_backbone_as_the_lineage_says(tiny_data, sections, selection, other_backbone, tuned):
    picked = selection("related", "domain", backbone=str(other_backbone))
    found = tune(tiny_data, picked, NOBODY, **sections, folder=Path("elsewhere"))
    assert found.backbone == str(other_backbone)
    assert read_card(Path(found.model.path)).base.name == str(other_backbone)
    model = finetune(tiny_data, found, **sections, folder=Path("trained-elsewhere"))
    assert read_card(Path(model.model.path)).base.name == str(other_backbone)
    assert tuned.backbone == sections["backbone"].name != found.backbone


def test_heads_are_drawn_to_source_labels_of_the_same_meaning(tiny_data, sections, selection):
    frame = pd.read_parquet("related-train.parquet")
    words = {"boats": "ships", "bread": "loaves", "stars": "suns"}
    frame["label"] = frame["label"].map(words)
    frame.to_parquet("worded-train.parquet", index=False)
    source = tiny_data.sources[0]
    file = source.splits["train"].model_copy(
        update={"path": "worded-train.parquet", "sha256": sha256_of(Path("worded-train.parquet"))}
    )
    worded = source.model_copy(update={"name": "worded", "labels": tuple(sorted(words.values())), "splits": {"train": file}})
    prepared = tiny_data.model_copy(update={"sources": (worded,)})
    probe = sections["finetuning"].model_copy(update={"methods": sections["finetuning"].methods[:1]})
    tuned = tune(prepared, selection("worded", "domain", matched=words), NOBODY, **sections, folder=Path("matched"))
    assert tuned.matched_labels == words

    def loss(matched, folder):
        start = tuned.model_copy(update={"matched_labels": matched})
        scores = finetune(prepared, start, **(sections | {"finetuning": probe}), folder=Path(folder)).cross_validation
        [found] = (score.log_loss.value for score in scores if score.source == "worded")
        return found

    drawn = loss(words, "drawn")
    assert drawn < loss({}, "unmatched")
    assert drawn < loss({"boats": "loaves", "bread": "suns", "stars": "ships"}, "swapped")


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


def test_the_model_knows_the_rows_of_the_target_and_of_what_it_stands_on(adapted, trained, tuned, nothing):
    target = {input_hash(text) for text in pd.read_parquet("target-train.parquet")["input"]}
    assert trained.source == "related"
    assert training_hashes(Path(trained.model.path)) == target | training_hashes(Path(tuned.model.path))
    alone = adapted(nothing)
    assert training_hashes(Path(alone.model.path)) == target
    assert alone.source is None


def test_the_same_seed_gives_the_same_record_and_test_rows_are_not_read(adapted, tuned, trained):
    Path("target-test.parquet").unlink()
    again = adapted(tuned)
    assert again.model == trained.model
    assert again.sha256() == trained.sha256()


@pytest.fixture
def from_champion(trained, nothing) -> TunedBackbone:
    """The start that is a champion which has learned from every labelled row."""
    Path(trained.model.path).rename("champion")
    return nothing.model_copy(update={"source": "champion", "model": trained.model.model_copy(update={"path": "champion"})})


def test_all_rows_are_scored_where_the_champion_has_seen_every_one(adapted, from_champion):
    assert {score.accuracy.n for score in adapted(from_champion).cross_validation} == {18}


def test_new_rows_alone_are_scored_where_the_champion_has_seen_the_others(adapted, from_champion, tiny_data, topic_texts):
    old = pd.read_parquet("target-train.parquet")
    texts, labels = topic_texts(3, seed=77)
    new = pd.DataFrame({"id": [f"new-{n}" for n in range(9)], "input": [f"old old {text}" for text in texts], "label": labels})
    found = adapted(from_champion, with_train(tiny_data, pd.concat([old, new])))
    assert {score.accuracy.n for score in found.cross_validation} == {9}
    assert {score.source for score in found.cross_validation} == {"champion", None}


def test_a_class_with_one_row_is_a_data_error(adapted, tiny_data, nothing):
    frame = pd.read_parquet("target-train.parquet")
    few = pd.concat([frame[frame["label"] != "stars"], frame[frame["label"] == "stars"].head(1)])
    with pytest.raises(DataError, match="found a class with 1"):
        adapted(nothing, with_train(tiny_data, few))


@pytest.fixture
def climbed(tiny_data, sections, tiny_params, tuned, trained):
    def run(prepared: PreparedData = tiny_data, *, tuned=tuned, trained=trained, **changes) -> Ladder:
        Path("ladder").mkdir(exist_ok=True)
        given = sections | {"evaluation": tiny_params.evaluation} | changes
        found = climb(prepared, tuned, trained, **given, folder=Path("ladder"))
        assert found.rungs == RUNGS
        assert set(found.notes) == set(found.rungs)
        return found

    return run


@pytest.fixture
def ladder(climbed):
    return lambda *given, **changes: pd.read_parquet(climbed(*given, **changes).predictions.path)


def test_every_rung_gives_probabilities_for_every_test_row(ladder):
    found = ladder()
    assert list(found["id"]) == list(pd.read_parquet("target-test.parquet")["id"])
    for rung in RUNGS:
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


def topics(frame: pd.DataFrame, rung: str) -> np.ndarray:
    return frame[[f"{rung}:{label}" for label in ("boats", "bread", "stars")]].to_numpy()


def test_no_transfer_is_what_the_models_method_makes_without_the_source(climbed, trained, adapted, nothing, tiny_params):
    method = next(method for method in tiny_params.finetuning.methods if method.name == trained.method)
    only = tiny_params.finetuning.model_copy(update={"methods": (method,)})
    alone = adapted(nothing, finetuning=only)
    expected = Classifier.load(Path(alone.model.path)).predict(list(pd.read_parquet("target-test.parquet")["input"]))
    found = climbed()
    np.testing.assert_allclose(topics(pd.read_parquet(found.predictions.path), "no_transfer"), expected.probabilities, atol=2e-3)
    assert f"{trained.method} on the same labelled rows without related" in found.notes["no_transfer"]


def test_no_transfer_differs_from_the_model_that_learned_from_a_source(ladder, trained):
    said = Classifier.load(Path(trained.model.path)).predict(list(pd.read_parquet("target-test.parquet")["input"])).probabilities
    assert np.abs(topics(ladder(), "no_transfer") - said).max() > 0.01


@pytest.mark.parametrize("method", [0, 1])
def test_a_model_from_no_source_is_its_own_control(climbed, adapted, nothing, tiny_params, method):
    only = tiny_params.finetuning.model_copy(update={"methods": (tiny_params.finetuning.methods[method],)})
    alone = adapted(nothing, finetuning=only)
    found = climbed(tuned=nothing, trained=alone)
    said = Classifier.load(Path(alone.model.path)).predict(list(pd.read_parquet("target-test.parquet")["input"])).probabilities
    np.testing.assert_allclose(topics(pd.read_parquet(found.predictions.path), "no_transfer"), said, atol=1e-9)
    assert found.notes["no_transfer"] == "the model itself: it learned from no source"
