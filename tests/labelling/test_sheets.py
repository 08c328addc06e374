"""A sheet from the rows without a label to the next version of the target, for texts and for images, with a made-up model."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from rootstock.classifier import Prediction
from rootstock.data import registry
from rootstock.data.card import make_card
from rootstock.data.prepare import split_target
from rootstock.data.rows import input_key, make_frame
from rootstock.errors import BusyError, DataError, InputError, ParamsError
from rootstock.labelling.choose_rows import kept_for_chance
from rootstock.monitoring.prediction_log import PredictionLog
from rootstock.monitoring.scored_rows import scored_rows
from rootstock.params import Params, load_params
from rootstock_flows.commands.label import command
from rootstock_flows.labelling import ask_for_labels, rows_without_label, take_labels

SHEET = Path("sheet.csv")


def png(shade: int, *, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), shade, dtype=np.uint8)).save(buffer, format=kind)
    return buffer.getvalue()


def unsure_of_last(inputs) -> Prediction:
    """Two classes, the surer the earlier a row stands."""
    first = np.linspace(0.95, 0.55, len(inputs))
    return Prediction(np.stack([first, 1 - first], axis=1), np.arange(2.0 * len(inputs)).reshape(-1, 2))


def project(folder: Path, inputs: list, *, modality: str) -> Params:
    """A registry whose target has four labelled rows, and others without a label."""
    file = Path(__file__).parents[2] / ("params-images.yaml" if modality == "image" else "params.yaml")
    (folder / "params.yaml").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    params = load_params(folder / "params.yaml", ("data.target=goods", "data.registry=registry"))
    labels = ["a", "b", "a", "b"] + [""] * (len(inputs) - 4)
    splits = ["train"] * 4 + ["unlabelled"] * (len(inputs) - 4)
    frame = make_frame(inputs, labels, splits=splits)
    registry.add(Path("registry"), "goods", frame, card=make_card(frame, modality=modality, origin="made up"))
    return params


@pytest.fixture
def texts(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return project(tmp_path, [f"text {n}" for n in range(12)], modality="text")


@pytest.fixture
def images(tmp_path, monkeypatch) -> Params:
    monkeypatch.chdir(tmp_path)
    return project(tmp_path, [png(10 * n) for n in range(10)], modality="image")


def fill_in(label: str = "a") -> pd.DataFrame:
    sheet = pd.read_csv(SHEET, dtype=str).assign(label=label)
    sheet.to_csv(SHEET, index=False)
    return sheet


def newest() -> pd.DataFrame:
    return registry.read_rows(Path("registry"), registry.resolve(Path("registry"), "goods", "latest"))


def test_rows_with_a_label_are_not_in_the_pool(texts):
    assert sorted(rows_without_label(texts, None)["input"]) == sorted(f"text {n}" for n in range(4, 12))


def test_the_rows_that_the_model_is_least_sure_of_are_asked_for(texts):
    pool = list(rows_without_label(texts, None)["input"])
    record = ask_for_labels(texts, SHEET, rows=3, sample=0, batch=None, predict=unsure_of_last)
    open_to_choice = [text for text in pool if not kept_for_chance([input_key(text)])[0]]
    assert set(pd.read_csv(SHEET)["input"]) == set(open_to_choice[-3:])
    assert (record.pool, record.chosen) == (8, 3)


def test_a_filled_sheet_is_the_next_version_and_the_same_again_is_none(texts):
    ask_for_labels(texts, SHEET, rows=3, sample=2, batch=None, predict=unsure_of_last)
    sheet = fill_in()
    revision, added = take_labels(texts, SHEET, new_labels=False)
    assert (revision.revision, added.labelled) == ("goods/v2", 5)
    splits = newest().set_index("id")["split"]
    assert dict(splits[sheet["id"]]) == {
        name: "chosen" if split == "chosen" else "train" for name, split in zip(sheet["id"], sheet["split"], strict=True)
    }
    again, nothing = take_labels(texts, SHEET, new_labels=False)
    assert (again.revision, nothing.unchanged) == ("goods/v2", 5)


def somebody_else_adds(monkeypatch, *, times: int) -> None:
    """Whenever the newest rows have been read, another version comes in between, of one more labelled row."""
    real, left = registry.read_card, iter(range(times))

    def read_card(path, revision):
        card = real(path, revision)
        if (number := next(left, None)) is not None:
            rows = registry.read_rows(path, revision)
            more = make_frame([f"another {number}"], ["b"], splits=["train"])
            registry.add(path, "goods", pd.concat([rows, more], ignore_index=True), card=card)
        return card

    monkeypatch.setattr(registry, "read_card", read_card)


def test_labels_that_others_add_meanwhile_are_kept(texts, monkeypatch):
    ask_for_labels(texts, SHEET, rows=3, sample=0, batch=None, predict=unsure_of_last)
    sheet = fill_in()
    somebody_else_adds(monkeypatch, times=1)
    revision, added = take_labels(texts, SHEET, new_labels=False)
    assert (revision.revision, added.labelled) == ("goods/v3", 3)
    rows = newest().set_index("id")
    assert set(rows["label"][sheet["id"]]) == {"a"}
    assert "another 0" in set(rows["input"])


def test_who_is_overtaken_again_and_again_is_told_to_try_again(texts, monkeypatch):
    ask_for_labels(texts, SHEET, rows=3, sample=0, batch=None, predict=unsure_of_last)
    fill_in()
    somebody_else_adds(monkeypatch, times=100)
    with pytest.raises(
        BusyError, match=r"expected goods/v\d+ to be the newest version of goods, found .*; run the same command again"
    ):
        take_labels(texts, SHEET, new_labels=False)


def test_what_people_are_shown_of_images_is_what_they_label(images):
    ask_for_labels(images, SHEET, rows=4, sample=0, batch=None, predict=unsure_of_last)
    sheet = fill_in("b")
    rows = newest().set_index("id")["input"]
    for name, path in zip(sheet["id"], sheet["input"], strict=True):
        assert Path(path).parent == Path("sheet")
        assert Path(path).read_bytes() == rows[name]
    _, added = take_labels(images, SHEET, new_labels=False)
    assert (added.labelled, added.added) == (4, 0)


def test_photographs_are_shown_as_photographs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = project(tmp_path, [png(20 * n, kind="PNG" if n < 8 else "JPEG") for n in range(12)], modality="image")
    ask_for_labels(params, SHEET, rows=7, sample=0, batch=None, predict=unsure_of_last)
    kinds = {(Path(path).suffix, Image.open(path).format) for path in fill_in("b")["input"]}
    assert kinds == {(".jpg", "JPEG"), (".png", "PNG")}


def test_an_image_from_elsewhere_comes_from_the_folder_beside_the_sheet(images):
    Path("shots").mkdir()
    Path("shots/new.png").write_bytes(png(255))
    pd.DataFrame([["x", "shots/new.png", "a", "chosen"]], columns=["id", "input", "label", "split"]).to_csv(SHEET, index=False)
    _, added = take_labels(images, SHEET, new_labels=False)
    assert added.added == 1
    assert png(255) in set(newest()["input"])
    Path("shots/new.png").unlink()
    pd.DataFrame([["y", "shots/new.png", "a", "chosen"]], columns=["id", "input", "label", "split"]).to_csv(SHEET, index=False)
    with pytest.raises(DataError, match=r"sheet.csv: row 1: expected an image at .*new.png, found none that can be read"):
        take_labels(images, SHEET, new_labels=False)


def test_images_are_never_written_over_others(images):
    Path("sheet").mkdir()
    with pytest.raises(DataError, match="sheet: expected no such folder, as images are written there"):
        ask_for_labels(images, SHEET, rows=2, sample=0, batch=None, predict=unsure_of_last)


def test_labels_that_people_wrote_are_never_written_over(texts):
    for _ in range(2):  # a sheet that nobody has begun is
        ask_for_labels(texts, SHEET, rows=3, sample=0, batch=None, predict=unsure_of_last)
    fill_in()
    filled = SHEET.read_bytes()
    with pytest.raises(DataError, match=r"sheet.csv: expected no labels of people where a sheet is written, found 3; take them"):
        ask_for_labels(texts, SHEET, rows=3, sample=0, batch=None, predict=unsure_of_last)
    assert SHEET.read_bytes() == filled


def test_nothing_is_chosen_where_every_labelled_row_is_tested_on(texts):
    out_of_fold = load_params(
        Path("params.yaml"),
        ("data.target=goods", "data.registry=registry", "data.test_fraction=null", "evaluation.rows=out_of_fold"),
    )
    with pytest.raises(ParamsError, match=r"evaluation.rows: expected held_out where a model chooses rows to label"):
        ask_for_labels(out_of_fold, SHEET, rows=2, sample=0, batch=None, predict=unsure_of_last)
    ask_for_labels(texts, SHEET, rows=2, sample=0, batch=None, predict=unsure_of_last)
    fill_in()
    revision, _ = take_labels(texts, SHEET, new_labels=False)
    with pytest.raises(DataError, match=r"expected no rows that a model chose where data.test_fraction is null, found 2"):
        split_target(Path("registry"), revision, data=out_of_fold.data, seed=0)


def test_a_model_reads_no_pool_that_is_too_small(texts):
    with pytest.raises(DataError, match="expected at least 9 of the different rows"):
        ask_for_labels(texts, SHEET, rows=9, sample=0, batch=None, predict=pytest.fail)


def test_too_few_rows_leave_nothing_behind(images):
    with pytest.raises(DataError, match="expected at least 40 of the different rows without a label"):
        ask_for_labels(images, SHEET, rows=40, sample=0, batch=None, predict=unsure_of_last)
    assert not SHEET.exists()
    assert not Path("sheet").exists()


@pytest.mark.parametrize("cell", ["", "   "])
def test_a_new_row_without_a_text_is_refused(texts, cell):
    pd.DataFrame([["x", cell, "a", "chosen"]], columns=["id", "input", "label", "split"]).to_csv(SHEET, index=False)
    with pytest.raises(DataError, match=r"sheet.csv: row 1: expected a text in column 'input'"):
        take_labels(texts, SHEET, new_labels=False)


def call(*arguments: str) -> str:
    done = CliRunner().invoke(
        command, [*arguments, "--set", "data.target=goods", "--set", "data.registry=registry"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_says_what_became_of_a_sheet(texts):
    ask_for_labels(texts, SHEET, rows=3, sample=0, batch=None, predict=unsure_of_last)
    fill_in("c")
    with pytest.raises(DataError, match="unknown label 'c'"):
        call("add", "sheet.csv")
    said = call("add", "sheet.csv", "--new-labels")
    assert "goods/v2: 3 rows labelled, 0 new rows" in said
    assert "new labels: c" in said
    assert json.loads(call("add", "sheet.csv", "--json"))["unchanged"] == 3


def test_without_a_model_there_is_nobody_to_choose(texts):
    with pytest.raises(InputError, match="has no versions yet"):
        call("choose", "sheet.csv", "--rows", "3")
    with pytest.raises(DataError, match=r"expected a file ending in .*, found '.txt'"):
        call("choose", "sheet.txt", "--rows", "3")
    assert not SHEET.exists()


@pytest.fixture
def customers(tmp_path, monkeypatch) -> Params:
    """Ten customers with ten labelled rows and ten without a label; three of them are tested on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    settings = ("data.target=goods", "data.registry=registry", "data.columns.group=customer", "data.test_fraction=0.3")
    params = load_params(tmp_path / "params.yaml", (*settings, "data.labelled_rows_per_class=null"))
    names = [f"c{n // 20}" for n in range(200)]
    labels = ["ab"[n % 2] if n % 20 < 10 else "" for n in range(200)]
    splits = ["" if label else "unlabelled" for label in labels]
    frame = make_frame([f"text {n}" for n in range(200)], labels, splits=splits, kept={"customer": names})
    registry.add(Path("registry"), "goods", frame, card=make_card(frame, modality="text", origin="made up"))
    return params


def who_is_tested_on(params: Params) -> tuple[pd.DataFrame, set[str]]:
    """The rows of the newest version, and who is tested on."""
    revision = registry.resolve(Path("registry"), "goods", "latest")
    rows, sides = split_target(Path("registry"), revision, data=params.data, seed=0)
    return rows, set(rows["group"][[side == "test" for side in sides]])


def log_questions(params: Params, names: list[str]) -> None:
    """As if the model had been asked one question by each customer."""
    rows = scored_rows(
        [str(n) for n in range(len(names))], [f"question {n}" for n in range(len(names))], ("a", "b"),
        unsure_of_last(names),
    ).assign(**{"keep:customer": names})  # fmt: skip
    log = PredictionLog.of(params.workspace, params.registration.model)
    log.append(rows, version="1", batch="monday", now=datetime(2026, 3, 1, tzinfo=UTC))


def test_no_row_of_a_group_that_is_tested_on_is_chosen_to_learn_from(customers):
    rows, tested = who_is_tested_on(customers)
    assert len(tested) == 3
    ask_for_labels(customers, SHEET, rows=40, sample=20, batch=None, predict=unsure_of_last)
    asked = pd.read_csv(SHEET, dtype=str).merge(rows[["id", "group"]].astype(str), on="id")
    assert len(asked) == 60
    assert not set(asked.loc[asked["split"] == "chosen", "group"]) & tested
    assert set(asked.loc[asked["split"] == "sample", "group"]) & tested


def test_of_what_the_model_was_asked_none_of_a_tested_group_is_chosen_and_all_keep_their_group(customers):
    _, tested = who_is_tested_on(customers)
    names = [f"c{n % 12}" for n in range(240)]
    log_questions(customers, names)
    ask_for_labels(customers, SHEET, rows=60, sample=30, batch="monday", predict=unsure_of_last)
    sheet = fill_in()
    of_customer = {f"question {n}": name for n, name in enumerate(names)}
    assert sheet["keep:customer"].tolist() == sheet["input"].map(of_customer).tolist()
    assert not set(sheet.loc[sheet["split"] == "chosen", "keep:customer"]) & tested
    _, added = take_labels(customers, SHEET, new_labels=False)
    assert added.added == 90
    rows = newest()
    questions = rows[rows["input"].str.startswith("question")]
    assert questions["keep:customer"].tolist() == questions["input"].map(of_customer).tolist()
    rows, tested = who_is_tested_on(customers)
    _, sides = split_target(Path("registry"), registry.resolve(Path("registry"), "goods", "latest"), data=customers.data, seed=0)
    assert not set(rows["group"][[side == "train" for side in sides]]) & tested
