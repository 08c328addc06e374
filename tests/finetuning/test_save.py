"""A saved model answers as the fitted one did, through every chain of weights."""

from __future__ import annotations

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rootstock.backbone import content_hash
from rootstock.classifier import Classifier, input_hash, load_tuned_encoder, read_card, sealed_facts, training_hashes
from rootstock.data.text import Text
from rootstock.errors import BackboneError, DataError
from rootstock.files import sha256_of
from rootstock.finetuning.save import Lineage, save_model
from rootstock.head import log_probabilities
from rootstock.part import Start
from rootstock.seal import write_seal

MODALITY = Text(max_tokens=16)
LABELS = ("boats", "bread", "stars")


@pytest.fixture(scope="session")
def fit_and_save(toy, make_method, tmp_path_factory):
    """Fits a method from the backbone or from a saved model, saves it, and gives the artifact and what it says of the test rows.

    Each is made once: a test that changes a folder changes a copy.
    """
    folder = tmp_path_factory.mktemp("saved")
    made = {}

    def run(name: str, *, parent=None, inputs=()):
        key = (name, parent.path if parent else None, inputs)
        if key not in made:
            made[key] = fresh(name, parent=parent, inputs=inputs)
        return made[key]

    def fresh(name, *, parent, inputs):
        start, rows = toy.start, toy.train
        if parent is not None:
            load = partial(load_tuned_encoder, Path(parent.path), 16)
            start = Start(load, 3, Classifier.load_head(Path(parent.path)))
            rows = dataclasses.replace(rows, features=load().embed(rows.inputs))
        changes = {} if name == "linear_probe" else {"epochs": 2}
        fitted = make_method[name](**changes).fit(start, rows, heldout=None, setting=None, seed=3)
        lineage = Lineage(str(toy.backbone), "mean", parent)
        saved = save_model(
            folder / f"{name}-{len(made)}", fitted, labels=LABELS, modality=MODALITY, lineage=lineage, name=name, inputs=inputs
        )
        encoder = fitted.encoder or start.load()
        return saved, np.exp(log_probabilities(encoder.embed(toy.test.inputs), fitted.head))

    return run


@pytest.fixture
def copied(fit_and_save, tmp_path):
    """A copy of a saved model's folder, to be changed."""
    return lambda name: Path(shutil.copytree(fit_and_save(name)[0].path, tmp_path / "model"))


def loaded(saved, toy):
    return Classifier.load(Path(saved.path)).predict(toy.test.inputs).probabilities


@pytest.mark.parametrize("name", ["linear_probe", "lora", "full"])
def test_a_saved_model_gives_the_probabilities_it_had_in_memory(fit_and_save, toy, name):
    saved, expected = fit_and_save(name)
    np.testing.assert_allclose(loaded(saved, toy), expected, atol=1e-5)
    assert saved.damage() is None


def test_the_model_differs_from_the_bare_backbone(fit_and_save, toy):
    saved, _ = fit_and_save("lora")
    embeddings = Classifier.load(Path(saved.path)).predict(toy.test.inputs).embeddings
    assert np.abs(embeddings - toy.test.features).max() > 0.01


CHAINS = [
    ("lora", "lora", ("adapters/0-lora", "adapters/1-lora"), False),
    ("lora", "linear_probe", ("adapters/0-lora",), False),
    ("lora", "full", (), True),
    ("full", "lora", (), True),
    ("full", "linear_probe", (), True),
    ("full", "full", (), True),
    ("linear_probe", "lora", ("adapters/0-lora",), False),
]


@pytest.mark.parametrize(("first", "second", "adapters", "included"), CHAINS, ids=[f"{a} then {b}" for a, b, *_ in CHAINS])
def test_a_chain_gives_the_probabilities_it_had_in_memory(fit_and_save, toy, first, second, adapters, included):
    parent, _ = fit_and_save(first)
    saved, expected = fit_and_save(second, parent=parent)
    np.testing.assert_allclose(loaded(saved, toy), expected, atol=1e-5)
    card = read_card(Path(saved.path))
    assert card.adapters == adapters
    assert card.base.included is included
    assert (Path(saved.path) / "backbone").is_dir() is included


def test_three_adapters_in_a_chain(fit_and_save, toy):
    source, _ = fit_and_save("lora")
    champion, _ = fit_and_save("lora", parent=source)
    saved, expected = fit_and_save("lora", parent=champion)
    assert len(read_card(Path(saved.path)).adapters) == 3
    np.testing.assert_allclose(loaded(saved, toy), expected, atol=1e-5)


def test_the_rows_learned_from_are_kept_with_those_of_the_ancestors(fit_and_save):
    parent, _ = fit_and_save("linear_probe", inputs=("one", "Two "))
    saved, _ = fit_and_save("linear_probe", parent=parent, inputs=("three",))
    assert training_hashes(Path(parent.path)) == {input_hash("one"), input_hash("two")}
    assert training_hashes(Path(saved.path)) == {input_hash("one"), input_hash("two"), input_hash("three")}
    assert "one" not in (Path(saved.path) / "training_rows.json").read_text(encoding="utf-8")


def change_card(folder: Path, change) -> None:
    content = json.loads((folder / "rootstock.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "rootstock.json").write_text(json.dumps(content), encoding="utf-8")
    seal_again(folder)


def seal_again(folder: Path) -> None:
    """As if it had been saved so: what the seal itself finds is tested elsewhere."""
    write_seal(folder, sealed_facts(read_card(folder)), probes=(), answers=())


def test_another_base_under_the_same_name_is_a_backbone_error(copied, toy):
    folder = copied("lora")
    assert read_card(folder).base.sha256 == content_hash(toy.backbone)
    change_card(folder, lambda card: card["base"].update(sha256="0" * 64))
    with pytest.raises(BackboneError, match=r"with sha256 000000000000, found \w{12}; put the original base back"):
        Classifier.load(folder)


def test_a_base_that_is_gone_is_a_backbone_error(copied, tmp_path):
    folder = copied("lora")
    change_card(folder, lambda card: card["base"].update(name=str(tmp_path / "gone")))
    with pytest.raises(BackboneError, match="found nothing at"):
        Classifier.load(folder)


def test_a_missing_head_is_a_data_error(copied):
    folder = copied("linear_probe")
    (folder / "head.safetensors").unlink()
    seal_again(folder)
    with pytest.raises(DataError, match=r"expected head\.safetensors or head\.lightgbm\.txt, found none; the model is incomplete"):
        Classifier.load(folder)


def test_a_damaged_head_is_a_data_error(copied):
    folder = copied("linear_probe")
    (folder / "head.safetensors").write_bytes(b"nothing of the kind")
    seal_again(folder)
    with pytest.raises(DataError, match=r"head\.safetensors: expected a weight and a bias, found"):
        Classifier.load(folder)


def test_a_head_of_another_number_of_classes_is_a_data_error(copied):
    folder = copied("linear_probe")
    change_card(folder, lambda card: card.update(labels=["a", "b"]))
    with pytest.raises(DataError, match="expected 2 classes, found 3"):
        Classifier.load(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "expected JSON"),
        ("[]", "expected format 2, found None"),
        ('{"format": 3}', "expected format 2, found 3; use the version that wrote it"),
        ('{"format": 1, "labels": 3}', "expected a model card, found a wrong or missing 'labels'"),
    ],
)
def test_a_damaged_card_is_a_data_error(tmp_path, content, said):
    (tmp_path / "rootstock.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_card(tmp_path)


def test_a_folder_that_is_no_model_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match=r"expected a model folder with rootstock\.json, found none"):
        Classifier.load(tmp_path)


def test_a_model_folder_can_be_moved(fit_and_save, copied, toy):
    _, expected = fit_and_save("lora")
    np.testing.assert_allclose(Classifier.load(copied("lora")).predict(toy.test.inputs).probabilities, expected, atol=1e-5)


def test_saving_that_fails_leaves_the_older_model(copied, toy, make_method, monkeypatch):
    folder = copied("lora")
    before = sha256_of(folder)
    fitted = make_method["linear_probe"]().fit(toy.start, toy.train, heldout=None, setting=None, seed=0)
    monkeypatch.setattr("rootstock.finetuning.save.labels_json", lambda labels: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_model(
            folder, fitted, labels=LABELS, modality=MODALITY, lineage=Lineage(str(toy.backbone), "mean", None), name="x", inputs=[]
        )
    assert sha256_of(folder) == before
    assert list(folder.parent.iterdir()) == [folder]
