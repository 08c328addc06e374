"""Boosted trees as a head: against LightGBM itself, on what no plane separates, and through every way of saving a model."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from rootstock.boosted import BoostedHead, Boosting, grow
from rootstock.classifier import Classifier
from rootstock.data.text import Text
from rootstock.errors import DataError
from rootstock.finetuning.boosted_head import BoostedHeadMethod
from rootstock.finetuning.choose_method import Circumstances, choose_method
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.linear_probe import LinearProbe
from rootstock.finetuning.save import Lineage, save_model
from rootstock.head import log_probabilities, match_classes, scaled
from rootstock.part import Rows, Start

USUAL = {"rounds": (5, 20, 60), "learning_rate": 0.2, "leaves": 6, "rows_a_leaf": 2, "feature_share": 1.0, "l2": 0.0}
BOOSTING = Boosting(learning_rate=0.2, leaves=6, rows_a_leaf=2, feature_share=1.0, l2=0.0)
LABELS = ("boats", "bread", "stars")


def method(**changes) -> BoostedHeadMethod:
    return BoostedHeadMethod(**(USUAL | changes))


def quadrants(n: int, *, seed: int) -> Rows:
    """The class is whether two features have the same sign: no plane tells it."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n, 4))
    return Rows([str(row) for row in range(n)], (features[:, 0] * features[:, 1] > 0).astype(int), features)


def fit(rows, *, heldout=None, classes=2, setting=None, seed=0, **changes):
    start = Start(load=lambda: pytest.fail("the backbone is not read"), classes=classes, prior=None)
    return method(**changes).fit(start, rows, heldout=heldout, setting=setting, seed=seed)


def accuracy(probabilities, rows) -> float:
    return float((probabilities.argmax(axis=1) == rows.labels).mean())


def test_probabilities_are_those_of_lightgbm_called_directly():
    import lightgbm

    train, test = quadrants(120, seed=1), quadrants(50, seed=2)
    model = lightgbm.LGBMClassifier(
        objective="multiclass", num_class=2, n_estimators=20, learning_rate=0.2, num_leaves=6, min_child_samples=2,
        subsample_for_bin=200_000, min_child_weight=1e-3, min_data_in_bin=1, random_state=0, verbosity=-1,
    ).fit(scaled(train.features), train.labels)  # fmt: skip
    expected = model.predict_proba(scaled(test.features))
    found = np.exp(log_probabilities(test.features, fit(train, setting=20.0).head))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_it_learns_what_a_linear_probe_cannot():
    train, test = quadrants(300, seed=1), quadrants(300, seed=2)
    boosted = fit(train, heldout=test).heldout[60.0]
    probe = LinearProbe(regularisations=(10.0,)).fit(
        Start(lambda: pytest.fail("not read"), 2, None), train, heldout=test, setting=None, seed=0
    )
    assert accuracy(probe.heldout[10.0], test) < 0.6
    assert accuracy(boosted, test) > 0.9


def test_the_first_rounds_of_a_long_fit_are_a_short_fit():
    train, test = quadrants(80, seed=1), quadrants(40, seed=2)
    changes = {"feature_share": 0.5}
    whole, short = fit(train, heldout=test, **changes), fit(train, heldout=test, setting=5.0, **changes)
    assert list(whole.heldout) == [5.0, 20.0, 60.0]
    assert list(short.heldout) == [5.0]
    np.testing.assert_array_equal(short.heldout[5.0], whole.heldout[5.0])
    np.testing.assert_array_equal(np.exp(log_probabilities(test.features, short.head)), short.heldout[5.0])


def test_the_same_seed_gives_the_same_trees_and_another_gives_others():
    train = quadrants(80, seed=1)
    one, two, other = (fit(train, seed=seed, feature_share=0.5).head for seed in (3, 3, 4))
    assert one == two
    assert one.text != other.text


def test_the_length_of_features_does_not_matter():
    train, test = quadrants(80, seed=1), quadrants(40, seed=2)
    longer = Rows(train.inputs, train.labels, 8 * train.features)
    one, two = fit(train).head, fit(longer).head
    np.testing.assert_array_equal(log_probabilities(test.features, one), log_probabilities(4 * test.features, two))


def test_inputs_are_left_as_they_were():
    train = quadrants(40, seed=1)
    before = train.features.copy(), train.labels.copy()
    fit(train, heldout=train)
    np.testing.assert_array_equal(train.features, before[0])
    np.testing.assert_array_equal(train.labels, before[1])


def test_two_rows_a_class_are_enough(toy):
    rows = take(toy.train, np.arange(6))
    fitted = fit(rows, heldout=toy.test, classes=3)
    assert all(np.isfinite(p).all() for p in fitted.heldout.values())
    assert accuracy(fitted.heldout[60.0], rows.__class__(toy.test.inputs, toy.test.labels, toy.test.features)) > 0.5


@pytest.mark.parametrize("present", [(0, 2), (1,)], ids=str)
def test_a_class_without_rows_is_never_predicted(present):
    rows = quadrants(40, seed=1)
    labels = np.array(present)[rows.labels % len(present)]
    said = np.exp(log_probabilities(rows.features, fit(Rows(rows.inputs, labels, rows.features), classes=4).head))
    assert said.shape == (40, 4)
    assert said[:, [index for index in range(4) if index not in present]].max() < 1e-9
    np.testing.assert_allclose(said.sum(axis=1), 1.0)


def test_no_rows_to_predict_give_no_probabilities():
    head = fit(quadrants(40, seed=1)).head
    assert log_probabilities(np.empty((0, 4)), head).shape == (0, 2)


def test_features_of_another_width_are_refused():
    head = fit(quadrants(40, seed=1)).head
    with pytest.raises(DataError, match="expected features of width 4, as the boosted head was fitted on, found 5"):
        log_probabilities(np.zeros((3, 5)), head)


@pytest.mark.parametrize(
    "wrong", [{"rounds": ()}, {"leaves": 1}, {"feature_share": 0.0}, {"learning_rate": 0.0}, {"l2": -1.0}], ids=str
)
def test_settings_that_grow_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        method(**wrong)


def test_what_was_fitted_is_thresholds_and_leaves():
    train = quadrants(80, seed=1)
    head = grow(train.features, train.labels, classes=2, rounds=1, boosting=BOOSTING, seed=0)
    assert head.numbers == fit(train, setting=1.0).trainable_parameters == 2 * (6 + 5)


def test_it_is_no_prior_for_a_head_that_is_drawn_towards_one():
    head = fit(quadrants(40, seed=1)).head
    assert match_classes(head, ("a", "b"), ("a", "b")) is None


def test_the_rule_does_not_take_it_for_a_method_that_trains_layers():
    methods = (LinearProbe(regularisations=(1.0,)), method())
    at = Circumstances(rows=200, classes=2, carried_loss=None, layers=6, forward_rows_per_second=None, budget_minutes=None)
    assert choose_method(methods, at).method.name == "linear_probe"


@pytest.fixture(scope="module")
def saved(toy, tmp_path_factory):
    """A model folder with a boosted head, and what it said in memory of the test rows."""
    fitted = method().fit(toy.start, toy.train, heldout=toy.test, setting=20.0, seed=0)
    folder = tmp_path_factory.mktemp("boosted") / "model"
    save_model(
        folder, fitted, labels=LABELS, modality=Text(max_tokens=16), lineage=Lineage(str(toy.backbone), "mean", None),
        name="target", inputs=toy.train.inputs,
    )  # fmt: skip
    return folder, fitted.heldout[20.0]


def test_saved_and_loaded_it_is_the_same_and_nothing_in_it_is_a_pickle(saved, toy):
    folder, said = saved
    assert {path.name for path in folder.iterdir()} >= {"rootstock.json", "head.lightgbm.txt"}
    assert not (folder / "head.safetensors").exists()
    assert (folder / "head.lightgbm.txt").read_text(encoding="utf-8").startswith("tree\n")
    loaded = Classifier.load(folder)
    np.testing.assert_array_equal(loaded.probabilities_of(toy.test.features), said)
    np.testing.assert_allclose(loaded.predict(toy.test.inputs).probabilities, said, atol=1e-9)


def test_a_model_can_be_made_that_stands_on_one_with_trees(saved, toy, tmp_path):
    from rootstock.records import Artifact

    fitted = LinearProbe(regularisations=(1.0,)).fit(toy.start, toy.train, heldout=toy.test, setting=None, seed=0)
    save_model(
        tmp_path / "next", fitted, labels=LABELS, modality=Text(max_tokens=16), name="target", inputs=(),
        lineage=Lineage(str(toy.backbone), "mean", Artifact.of(saved[0])),
    )  # fmt: skip
    assert Classifier.load(tmp_path / "next").head.is_linear
    assert not (tmp_path / "next" / "head.lightgbm.txt").exists()


def test_damaged_trees_and_those_of_other_classes_are_refused_with_the_file(saved, tmp_path):
    folder = Path(shutil.copytree(saved[0], tmp_path / "model"))
    whole = (folder / "head.lightgbm.txt").read_text(encoding="utf-8")
    (folder / "head.lightgbm.txt").write_text("no trees", encoding="utf-8")
    with pytest.raises(DataError, match=r"head\.lightgbm\.txt: expected trees as LightGBM writes them, found .*; register"):
        Classifier.load_head(folder)
    (folder / "head.lightgbm.txt").write_text(whole, encoding="utf-8")
    card = json.loads((folder / "rootstock.json").read_text(encoding="utf-8"))
    (folder / "rootstock.json").write_text(json.dumps(card | {"labels": ["one", "two"]}), encoding="utf-8")
    with pytest.raises(DataError, match=r"head\.lightgbm\.txt: expected 2 classes, found 3"):
        Classifier.load_head(folder)
    (folder / "head.lightgbm.txt").unlink()
    with pytest.raises(DataError, match=r"expected head\.safetensors or head\.lightgbm\.txt, found none"):
        Classifier.load_head(folder)


def test_the_plain_loader_says_the_same(saved, toy):
    import rootstock.registration

    script = Path(rootstock.registration.__file__).with_name("standalone.py")
    spec = importlib.util.spec_from_file_location("plain_loader", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    labels, found = module.predict(saved[0], list(toy.test.inputs))
    np.testing.assert_allclose(found.numpy(), saved[1], atol=1e-6)
    assert labels == [LABELS[index] for index in saved[1].argmax(axis=1)]


def test_reading_what_was_written_gives_the_same_head(saved):
    head = BoostedHead.read(saved[0])
    assert head.text == (saved[0] / "head.lightgbm.txt").read_text(encoding="utf-8")
    assert head.classes == 3


@pytest.fixture
def finetuned(tiny_data, tiny_params):
    """Gives what the stage makes of the tiny data with some methods, from the backbone or from a model."""
    from rootstock.finetuning.finetune import finetune
    from rootstock.records import TunedBackbone

    def run(*methods, model=None, folder: str):
        source = "champion" if model else None
        tuned = TunedBackbone(
            source=source, backbone=tiny_params.backbone.name, method="none", model=model, matched_labels={}, rows=0, curves=(),
            seconds=0.0,
        )  # fmt: skip
        sections = {name: getattr(tiny_params, name) for name in ("data", "backbone", "seed")}
        finetuning = tiny_params.finetuning.model_copy(update={"methods": methods})
        return finetune(tiny_data, tuned, finetuning=finetuning, workspace="w", folder=Path(folder), **sections)

    return run


def test_the_stage_chooses_its_rounds_and_a_model_with_trees_can_be_started_from(finetuned):
    champion = finetuned(method(rounds=(2, 10), rows_a_leaf=1), folder="trees")
    assert champion.method == "boosted_head"
    assert champion.cross_validation[0].epochs is None
    assert not Classifier.load(Path(champion.model.path)).head.is_linear
    following = finetuned(LinearProbe(regularisations=(1.0,)), model=champion.model, folder="following")
    assert {score.source for score in following.cross_validation} == {"champion", None}
    assert Classifier.load(Path(following.model.path)).head.is_linear
