"""What is wrong with an artefact is found, and said in one line; what is right is let through.

Each fault is planted twice: in the files after they were sealed, and before, as whatever packs a model might do it. The seal finds
the first, with words that name the fault; the second only shows in the answers, by which the parity gate refuses it. An int8 model
that lost three points is in ``tests/export/test_export_int8.py``.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rootstock.backbone import content_hash, load_encoder
from rootstock.classifier import CARD_FILE, LABELS_FILE, Classifier, labels_json, read_card
from rootstock.data.text import Text
from rootstock.errors import Refusal, RootstockError
from rootstock.evaluation.parity import Parity
from rootstock.evaluation.reloading import ask_reloaded
from rootstock.files import sha256_of
from rootstock.finetuning.save import Lineage, save_model
from rootstock.fingerprint import check_answers, seal_model
from rootstock.records import Artifact, EvalReport, GateResult, Reloading
from rootstock.reload import load_shipped, reload_model
from rootstock.seal import check_seal, read_seal

LABELS = ("boats", "bread", "stars")
MODALITY = Text(max_tokens=16)
GATE = Parity(labels=0.999, tolerance=1e-3)


@pytest.fixture(scope="module")
def good(toy: Any, make_method: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed model with an adapter that matters and a temperature that is not 1."""
    fitted = make_method["lora"](epochs=3).fit(toy.start, toy.train, heldout=None, setting=None, seed=3)
    folder = tmp_path_factory.mktemp("good") / "model"
    save_model(
        folder, fitted, labels=LABELS, modality=MODALITY, lineage=Lineage(str(toy.backbone), "mean", None), name="lora",
        inputs=toy.train.inputs, temperature=1.7,
    )  # fmt: skip
    return folder


@pytest.fixture
def model(good: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(good, tmp_path / "model"))


@pytest.fixture(scope="module")
def other_base(toy: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of the same shape with other weights."""
    import torch

    folder = Path(shutil.copytree(toy.backbone, tmp_path_factory.mktemp("other") / "base"))
    encoder = load_encoder(folder)
    torch.manual_seed(7)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 0.3 * torch.randn_like(weight)
    encoder.save_pretrained(folder, safe_serialization=True)
    return folder


def change_card(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    change(card)
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")


def missing_head(folder: Path, base: Path) -> None:
    (folder / "head.safetensors").unlink()


def another_base(folder: Path, base: Path) -> None:
    change_card(folder, lambda card: card["base"].update(name=str(base), sha256=content_hash(base)))


def labels_swapped(folder: Path, base: Path) -> None:
    change_card(folder, lambda card: card.update(labels=card["labels"][::-1]))
    (folder / LABELS_FILE).write_text(labels_json(LABELS[::-1]), encoding="utf-8")


def wrong_tokenizer(folder: Path, base: Path) -> None:
    """Of another model: the words of two topics have changed places."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    pairs = [("keel", "flour"), ("mast", "yeast"), ("hull", "dough"), ("sail", "crust"), ("anchor", "oven")]
    for one, other in pairs:
        vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    path.write_text(json.dumps(tokenizer), encoding="utf-8")


def flipped_byte(folder: Path, base: Path) -> None:
    """The highest bits of one weight of the head."""
    path = folder / "head.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x06
    path.write_bytes(bytes(content))


def temperature_lost(folder: Path, base: Path) -> None:
    change_card(folder, lambda card: card.update(temperature=1.0))


def merged_twice(folder: Path, base: Path) -> None:
    """Weights into which the adapter went twice, in the place of the adapter."""
    from rootstock.backbone import add_adapters

    card = read_card(folder)
    adapter = folder / card.adapters[0]
    add_adapters(load_encoder(Path(card.base.name)), [adapter, adapter]).save_pretrained(
        folder / "backbone", safe_serialization=True
    )
    shutil.rmtree(folder / "adapters")
    change_card(folder, lambda raw: raw.update(adapters=[], base=raw["base"] | {"included": True}))


FAULTS: dict[str, tuple[Callable[[Path, Path], None], str, str]] = {
    "missing head": (missing_head, "expected head.safetensors, found none", "head.safetensors"),
    "adapter on another base": (another_base, "expected adapters on the base with sha256", "not the tested one"),
    "label order swapped": (labels_swapped, "expected the labels in the order boats, bread, stars", "another label on"),
    "wrong tokenizer": (wrong_tokenizer, "expected the tokenizer or image processor that", "another label"),
    "one flipped byte": (flipped_byte, "head.safetensors: expected the file with sha256", "not the tested one"),
    "temperature lost": (temperature_lost, "expected the temperature 1.7, as it was sealed, found 1", "the same labels, but other"),
    "merged twice": (merged_twice, "expected adapters/0-lora/", "not the tested one"),
}  # fmt: skip
each_fault = pytest.mark.parametrize("fault", FAULTS)


@each_fault
def test_a_fault_after_the_seal_is_refused_with_its_name(fault: str, model: Path, other_base: Path) -> None:
    plant, said, _ = FAULTS[fault]
    plant(model, other_base)
    with pytest.raises(RootstockError) as caught:
        Classifier.load(model)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@each_fault
def test_the_loader_that_ships_refuses_it_too(fault: str, model: Path, other_base: Path) -> None:
    FAULTS[fault][0](model, other_base)
    with pytest.raises(SystemExit) as caught:
        load_shipped(model)
    assert "get the model again" in str(caught.value)
    assert "\n" not in str(caught.value)


@each_fault
def test_a_fault_before_the_seal_is_refused_by_the_answers(fault: str, good: Path, model: Path, other_base: Path, toy: Any) -> None:
    plant, _, said = FAULTS[fault]
    tested = Classifier.load(good).predict(toy.test.inputs).probabilities
    plant(model, other_base)
    try:
        seal_model(model)
        found = parity(tested, *shipped(model, toy.test.inputs))
    except RootstockError as error:  # without a head there is nothing that could be sealed
        found = refused(str(error))
    assert found.verdict == "fail"
    assert said in found.reason
    assert "\n" not in found.reason


def shipped(folder: Path, inputs: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """What the loader in the folder answers; tests of ``reload_model`` ask it in a process of its own."""
    loaded = load_shipped(folder)
    return loaded.labels, loaded.probabilities(list(inputs))


def parity(tested: np.ndarray, labels: tuple[str, ...], found: np.ndarray, wanted: tuple[str, ...] = LABELS) -> GateResult:
    """The gate's answer to probabilities whose columns are in the order of ``labels``."""
    ordered = found[:, [labels.index(label) for label in wanted]]
    frame = pd.DataFrame({"id": [f"r{i}" for i in range(len(tested))]})
    frame["probabilities:model"], frame["probabilities:reloaded"] = list(tested), list(ordered)
    return GATE.decide(report(wanted), frame, level=0.001)


def refused(reason: str) -> GateResult:
    return GATE.decide(report(LABELS, failure=reason), pd.DataFrame({"id": []}), level=0.001)


def report(labels: tuple[str, ...], *, failure: str | None = None) -> EvalReport:
    return EvalReport(
        dataset="topics", revision="topics/v1", labels=labels, source=None, measures={}, per_class={}, baselines=(), champion=None,
        confusion=(), champion_labels=(), predictions=Artifact(path="none", sha256="0"), seconds=0.0,
        reloading=Reloading(failure=failure, cost=None),
    )  # fmt: skip


METHODS = ("linear_probe", "lora", "full", "dora", "ia3", "bitfit", "last_layers", "gradual_unfreezing")
NAMES = (LABELS, ("ä ö", "日本", "c/d"), ("1", "0", "-1"))


@pytest.mark.parametrize("number", range(30))
def test_none_of_thirty_good_artefacts_is_refused(number: int, toy: Any, make_method: Any, tmp_path: Path) -> None:
    """Of every method, other seeds, other labels, with and without a temperature."""
    method, names, temperature = METHODS[number % len(METHODS)], NAMES[number % len(NAMES)], (1.0, 0.6, 2.5, 1.3)[number % 4]
    changes = {} if method == "linear_probe" else {"epochs": 2}
    rows = dataclasses.replace(toy.train, labels=(toy.train.labels + number) % 3)
    fitted = make_method[method](**changes).fit(toy.start, rows, heldout=None, setting=None, seed=number)
    folder = tmp_path / "model"
    saved = save_model(
        folder, fitted, labels=names, modality=MODALITY, lineage=Lineage(str(toy.backbone), "mean", None), name=method,
        inputs=rows.inputs, temperature=temperature,
    )  # fmt: skip
    tested = Classifier.load(folder).predict(toy.test.inputs).probabilities
    check_answers(folder)
    assert parity(tested, *shipped(folder, toy.test.inputs), names).verdict == "pass"
    assert saved.damage() is None


def test_a_process_of_its_own_gives_the_answers_and_what_they_cost(good: Path, toy: Any) -> None:
    test = pd.DataFrame({"id": [f"r{i}" for i in range(len(toy.test.inputs))], "input": list(toy.test.inputs)})
    columns, found = ask_reloaded(good, test, labels=LABELS[::-1], confidence=0.95)
    assert found.failure is None
    assert found.cost is not None
    tested = Classifier.load(good).predict(toy.test.inputs).probabilities
    np.testing.assert_allclose(np.vstack(columns[0]["probabilities:reloaded"].tolist())[:, ::-1], tested, atol=1e-5)
    assert found.cost.milliseconds_per_row.low > 0
    assert found.cost.mib * 2**20 > sum(path.stat().st_size for path in toy.backbone.glob("*.safetensors"))
    assert 50 < found.cost.peak_mib < 20_000
    assert found.cost.machine


def test_a_process_that_cannot_load_says_why_in_one_line(model: Path, other_base: Path) -> None:
    missing_head(model, other_base)
    with pytest.raises(Refusal, match=r"found that it does not: .*head\.safetensors is missing; get the model again"):
        reload_model(model, ["a keel"])
    test = pd.DataFrame({"id": ["r0"], "input": ["a keel"]})
    columns, found = ask_reloaded(model, test, labels=LABELS, confidence=0.95)
    assert columns == []
    assert found.failure is not None
    assert found.cost is None


# ---- the seal itself


def test_a_sealed_folder_names_every_file_but_the_seal(good: Path) -> None:
    files = {path.relative_to(good).as_posix(): sha256_of(path) for path in good.rglob("*") if path.is_file()}
    assert read_seal(good).files == {name: found for name, found in files.items() if name != "seal.json"}
    assert read_seal(good).facts.temperature == 1.7


def test_probes_come_from_no_data_set(good: Path, toy: Any) -> None:
    assert not set(read_seal(good).inputs) & set(toy.train.inputs)
    assert len(read_seal(good).answers) == len(read_seal(good).inputs) > 3


def test_any_byte_of_any_file_breaks_the_seal(good: Path, tmp_path: Path) -> None:
    for name in read_seal(good).files:
        folder = Path(shutil.copytree(good, tmp_path / "copy"))
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(bytes(content))
        with pytest.raises(RootstockError) as caught:
            Classifier.load(folder)
        assert Path(name).name in str(caught.value) or name == CARD_FILE
        shutil.rmtree(folder)


def test_a_folder_without_a_seal_is_refused(model: Path) -> None:
    (model / "seal.json").unlink()
    with pytest.raises(RootstockError, match=r"expected seal\.json, found none; the model is incomplete"):
        Classifier.load(model)


def test_a_damaged_seal_is_refused(model: Path) -> None:
    (model / "seal.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RootstockError, match="expected a seal, found a wrong or missing 'facts'"):
        Classifier.load(model)


def test_a_file_that_would_be_read_may_not_be_added(model: Path) -> None:
    (model / "added_tokens.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RootstockError, match=r"added_tokens\.json: expected no file that was not sealed"):
        Classifier.load(model)


def test_a_card_for_people_may_be_added(model: Path) -> None:
    (model / "README.md").write_text("# A model\n", encoding="utf-8")
    (model / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    assert Classifier.load(model).labels == LABELS


def test_a_seal_of_other_answers_is_refused(model: Path) -> None:
    """The files are whole, and something else than the files is not: a library, or the base."""
    seal = json.loads((model / "seal.json").read_text(encoding="utf-8"))
    seal["answers"][0] = [0.5, 0.25, 0.25]
    (model / "seal.json").write_text(json.dumps(seal), encoding="utf-8")
    with pytest.raises(Refusal, match="expected the answers that were sealed with the model, found a probability that differs by"):
        check_answers(model)


def test_adapters_named_twice_are_refused(model: Path) -> None:
    change_card(model, lambda card: card.update(adapters=card["adapters"] * 2))
    with pytest.raises(
        RootstockError, match="expected each adapter once, found adapters/0-lora, adapters/0-lora: what was merged twice"
    ):
        Classifier.load(model)


def test_a_model_of_the_first_format_has_no_temperature_and_no_seal(model: Path, good: Path, toy: Any) -> None:
    (model / "seal.json").unlink()
    change_card(model, lambda card: card.update(format=1) or card.pop("temperature"))
    plain, scaled = Classifier.load(model), Classifier.load(good)
    assert plain.temperature == 1.0
    both = [each.predict(toy.test.inputs).probabilities for each in (plain, scaled)]
    assert (both[0].argmax(axis=1) == both[1].argmax(axis=1)).all()
    assert np.abs(both[0] - both[1]).max() > 0.01
    np.testing.assert_allclose(shipped(model, toy.test.inputs)[1], both[0], atol=1e-5)
    assert check_answers(model).temperature == 1.0


def test_checking_a_seal_changes_nothing(good: Path) -> None:
    before = sha256_of(good)
    card = read_card(good)
    assert card.temperature == 1.7
    check_answers(good)
    with pytest.raises(RootstockError):
        check_seal(good, read_seal(good).facts.model_copy(update={"temperature": 1.0}))
    assert sha256_of(good) == before
