"""Training rows shown otherwise: by seed, row by row, and never the rows themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError
from rootstock import row_by_row
from rootstock.errors import ParamsError
from rootstock.finetuning.augment import augmented, check_augmentations
from rootstock.part import Augmentation, members, parse_part

#: word -> (part of speech, senses that occur in tagged text), and the words of its first sense with it.
SYNSETS = [
    ("noun", ["car", "auto", "motor_car", "Automobile"]),
    ("noun", ["run", "tally"]),
    ("verb", ["run", "sprint"]),
    ("adj", ["big", "large(p)"]),
    ("adv", ["fast"]),
    ("noun", ["more", "extra"]),
]
TAGGED = {("verb", "run"): 9}
#: An affine map that moves nothing.
STILL = {"degrees": 0, "smallest": 1, "largest": 1, "shear": 0, "shift": 0}
TEXTS = ["the big CAR may run fast", "Run to a car", "words nobody knows", "car"]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def decoded(content: bytes | Image.Image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)) if isinstance(content, bytes) else content)


def noise(*shape: int, rows: int = 8) -> list[bytes]:
    random = np.random.default_rng(0)
    return [png(random.integers(0, 256, shape)) for _ in range(rows)]


@pytest.fixture(scope="session")
def wordnet(tmp_path_factory) -> str:
    """A WordNet of six synsets in the format of wndb(5WN)."""
    folder = tmp_path_factory.mktemp("wordnet")
    licence = "  1 This software and database is being provided to you  \n"
    for speech in ("noun", "verb", "adj", "adv"):
        data, index = licence, licence
        for own, words in SYNSETS:
            if own == speech:
                entries = " ".join(f"{word} 0" for word in words)
                offset = len(data)
                data += f"{offset:08d} 03 {speech[0]} {len(words):02x} {entries} 000 | a gloss with big words  \n"
                first = words[0]
                index += f"{first} {speech[0]} 1 2 @ ~ 1 {TAGGED.get((speech, first), 1)} {offset:08d}  \n"
        (folder / f"data.{speech}").write_text(data, encoding="ascii")
        (folder / f"index.{speech}").write_text(index, encoding="ascii")
    return str(folder)


@pytest.fixture
def make(wordnet):
    """Gives an augmentation by name, strong enough to be seen."""
    values: dict[str, dict[str, Any]] = {
        "flip": {"horizontal": 0.5, "vertical": 0.5}, "crop": {"smallest": 0.3}, "rotation": {"degrees": 90},
        "scaling": {"smallest": 0.5, "largest": 1.5}, "shear": {"share": 0.8},
        "elastic": {"cells": 3, "deviation": 0.2}, "affine": STILL | {"degrees": 90, "shift": 0.2},
        "colour": {"brightness": 0.5, "contrast": 0.5, "saturation": 0.5},
        "word_dropout": {"share": 0.5}, "synonym_replacement": {"share": 0.5, "wordnet": wordnet},
    }  # fmt: skip

    def build(name: str, **changes: Any) -> Augmentation:
        return parse_part(Augmentation, {"name": name} | values[name] | changes)  # type: ignore[type-abstract]

    return build


def inputs_of(part: Augmentation) -> list[Any]:
    return list(TEXTS) if part.reads == "text" else noise(9, 7, 3)


NAMES = ["flip", "crop", "rotation", "scaling", "shear", "affine", "elastic", "colour", "word_dropout", "synonym_replacement"]


def test_these_are_all_there_are():
    assert set(members(Augmentation)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_inputs_stay_as_they_are(make, name):
    part = make(name)
    inputs = inputs_of(part)
    before = list(inputs)
    first = part.augment(inputs, seed=1)
    assert first == part.augment(inputs, seed=1)
    assert first != part.augment(inputs, seed=2)
    assert first != inputs
    assert inputs == before
    assert len(first) == len(inputs)


def test_images_of_an_epoch_are_changed_when_a_batch_asks_for_them(make, monkeypatch):
    opened = []
    real = row_by_row.plain_picture
    monkeypatch.setattr(row_by_row, "plain_picture", lambda content: opened.append(content) or real(content))
    inputs = noise(6, 6)
    epoch = augmented([make("flip"), make("rotation")], inputs, seed=0, epoch=1)
    assert opened == []
    assert epoch[2] == list(epoch)[2]
    assert opened[0] == inputs[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_depend_on_the_rows_behind_it(make, name):
    part = make(name)
    inputs = inputs_of(part)
    assert part.augment(inputs, seed=3)[:2] == part.augment(inputs[:2], seed=3)
    assert part.augment([], seed=3) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("word_dropout", "synonym_replacement")])
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (1, 1)], ids=["grey", "colour", "one pixel"])
def test_images_keep_size_and_mode(make, name, shape):
    inputs = noise(*shape)
    for before, after in zip(inputs, make(name).augment(inputs, seed=0), strict=True):
        assert decoded(after).shape == decoded(before).shape


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "LA"])
def test_images_of_other_modes_are_read(make, mode):
    buffer = io.BytesIO()
    Image.new(mode, (6, 5)).save(buffer, format="PNG")
    for name in ("flip", "rotation", "scaling", "shear", "affine", "elastic", "colour"):
        assert decoded(make(name).augment([buffer.getvalue()], seed=0)[0]).shape == (5, 6, 3)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("flip", {"horizontal": 0, "vertical": 0}), ("crop", {"smallest": 1}), ("rotation", {"degrees": 0}),
        ("scaling", {"smallest": 1, "largest": 1}), ("shear", {"share": 0}), ("elastic", {"deviation": 0}),
        ("affine", STILL),
        ("colour", {"brightness": 0, "contrast": 0, "saturation": 0}),
        ("word_dropout", {"share": 0}), ("synonym_replacement", {"share": 0}),
    ],
)  # fmt: skip
def test_no_strength_is_no_change(make, name, changes):
    part = make(name, **changes)
    inputs = inputs_of(part)
    found = part.augment(inputs, seed=5)
    if part.reads == "image":
        inputs, found = [decoded(each).tolist() for each in inputs], [decoded(each).tolist() for each in found]
    assert found == inputs


def test_a_sure_flip_is_numpys(make):
    inputs = noise(5, 4)
    for before, after in zip(inputs, make("flip", horizontal=1, vertical=0).augment(inputs, seed=0), strict=True):
        np.testing.assert_array_equal(decoded(after), decoded(before)[:, ::-1])
    for before, after in zip(inputs, make("flip", horizontal=0, vertical=1).augment(inputs, seed=0), strict=True):
        np.testing.assert_array_equal(decoded(after), decoded(before)[::-1])


def test_halving_the_scale_makes_a_quarter_of_the_ink_and_fills_with_the_border(make):
    square = np.full((64, 64), 200)
    square[16:48, 16:48] = 20
    shrunk = decoded(make("scaling", smallest=0.5, largest=0.5).augment([png(square)], seed=0)[0])
    assert (shrunk < 110).sum() == pytest.approx(16 * 16, rel=0.1)
    assert shrunk[0, 0] == shrunk[-1, -1] == 200


@pytest.mark.parametrize("name", ["rotation", "shear", "affine", "elastic"])
def test_what_a_moved_image_leaves_bare_is_filled_with_its_border(make, name):
    turned = decoded(make(name).augment([png(np.full((20, 20, 3), (9, 80, 200)))], seed=1)[0])
    assert np.unique(turned.reshape(-1, 3), axis=0).tolist() == [[9, 80, 200]]


def test_a_slanted_line_stays_at_the_centre_and_leans_by_the_share(make):
    line = np.zeros((101, 101))
    line[:, 49:52] = 255
    places = [decoded(make("shear", share=0.4).augment([png(line)], seed=seed)[0]).argmax(axis=1) for seed in range(40)]
    assert all(abs(place[50] - 50) <= 2 for place in places)
    leans = [(int(place[95]) - int(place[5])) / 90 for place in places]
    assert (min(leans), max(leans)) == pytest.approx((-0.4, 0.4), abs=0.07)


def test_an_affine_map_of_one_kind_is_the_rotation_or_scaling_of_that_name(make):
    """A row's first number is the angle in both, so it is the same."""
    blot = np.zeros((81, 61))
    blot[20:50, 15:30] = 255
    for seed in range(5):
        turned = decoded(make("affine", **STILL | {"degrees": 70}).augment([png(blot)], seed=seed)[0])
        alone = decoded(make("rotation", degrees=70).augment([png(blot)], seed=seed)[0])
        assert np.abs(turned.astype(float) - alone).mean() < 1
    bounds = {"smallest": 0.6, "largest": 0.6}
    scaled = make("affine", **STILL | bounds).augment([png(blot)], seed=0)
    alone = make("scaling", **bounds).augment([png(blot)], seed=0)
    np.testing.assert_allclose(decoded(scaled[0]).astype(float), decoded(alone[0]), atol=1)


def test_an_affine_map_shifts_by_shares_of_width_and_height(make):
    spot = np.zeros((101, 201))
    spot[49:52, 99:102] = 255
    moved = make("affine", **STILL | {"shift": 0.2}).augment([png(spot)] * 300, seed=0)
    places = np.array([np.unravel_index(decoded(each).argmax(), spot.shape) for each in moved]) - [50, 100]
    assert np.abs(places).max(axis=0) == pytest.approx([0.2 * 101, 0.2 * 201], abs=1.5)
    assert np.abs(places.mean(axis=0)).max() < 3


def test_a_slanted_affine_map_leans_as_a_shear(make):
    line = np.zeros((101, 101))
    line[:, 49:52] = 255
    slants = make("affine", **STILL | {"shear": 0.4}).augment([png(line)] * 100, seed=0)
    places = [decoded(each).argmax(axis=1) for each in slants]
    assert all(abs(place[50] - 50) <= 2 for place in places)
    leans = [(int(place[95]) - int(place[5])) / 90 for place in places]
    assert (min(leans), max(leans)) == pytest.approx((-0.4, 0.4), abs=0.07)


def test_a_bent_image_moves_by_the_deviation(make):
    """A grid of one cell moves its corners: the middle moves by their mean, so half as far as each of the four."""
    spot = np.zeros((201, 201))
    spot[99:102, 99:102] = 255
    bent = make("elastic", cells=1, deviation=0.05).augment([png(spot)] * 400, seed=0)
    rows = [np.unravel_index(decoded(each).argmax(), spot.shape)[0] - 100 for each in bent]
    assert np.std(rows) == pytest.approx(0.05 * 201 / 2, rel=0.15)
    assert abs(np.mean(rows)) < 1


def test_a_crop_is_no_smaller_than_asked_for(make):
    ramp = np.tile(np.arange(200), (200, 1))
    spans = [np.ptp(decoded(make("crop", smallest=0.25).augment([png(ramp)], seed=seed)[0])) for seed in range(30)]
    assert min(spans) >= 0.5 * 199 - 3
    assert max(spans) > 0.9 * 199


def test_brightness_moves_both_ways_and_within_bounds(make):
    grey = [png(np.full((3, 3), 100))] * 60
    means = [decoded(each).mean() for each in make("colour", brightness=0.2, contrast=0, saturation=0).augment(grey, seed=0)]
    assert (min(means), max(means)) == pytest.approx((80, 120), abs=3)


def test_words_are_dropped_at_the_rate_asked_for_and_stay_in_order(make):
    text = " ".join(f"w{n}" for n in range(4000))
    kept = make("word_dropout", share=0.3).augment([text], seed=0)[0].split()
    assert len(kept) / 4000 == pytest.approx(0.7, abs=0.03)
    assert kept == sorted(kept, key=lambda word: int(word[1:]))


def test_a_text_never_loses_its_last_word(make):
    assert set(make("word_dropout", share=0.99).augment(["one two three"] * 50, seed=0)) == {"one", "two", "three"}
    assert make("word_dropout", share=0.99).augment(["", "  "], seed=0) == ["", "  "]


def test_synonyms_are_of_the_most_usual_sense_and_written_like_the_word(make):
    sure = make("synonym_replacement", share=1)
    found = set(sure.augment(["the big CAR may run, fast"] * 30, seed=0))
    assert found == {"the large AUTO may sprint, fast", "the large AUTOMOBILE may sprint, fast"}
    assert sure.augment(["Run", "more", "cars un-run"], seed=0) == ["Sprint", "more", "cars un-run"]


def test_a_folder_without_wordnet_is_told_with_where_to_get_it(make, tmp_path, wordnet):
    with pytest.raises(ParamsError, match=r"found no index.noun in .*wordnet-base"):
        make("synonym_replacement", wordnet=str(tmp_path)).augment(["a car"], seed=0)
    for path in Path(wordnet).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "index.verb").write_text("  licence\nrun v one\n", encoding="ascii")
    with pytest.raises(ParamsError, match=r"index.verb: expected an entry of WordNet's index, found another text in line 2"):
        make("synonym_replacement", wordnet=str(tmp_path)).augment(["a car"], seed=0)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("flip", {"horizontal": 1.5}), ("crop", {"smallest": 0}), ("rotation", {"degrees": 200}), ("colour", {"contrast": -1}),
     ("scaling", {"smallest": 2}), ("shear", {"share": 2}), ("elastic", {"cells": 0}), ("affine", {"smallest": 2}),
     ("affine", {"shift": 2}), ("word_dropout", {"share": 1}),
     ("synonym_replacement", {"share": 2})],
)  # fmt: skip
def test_a_strength_out_of_bounds_is_refused(make, name, changes):
    with pytest.raises(ValidationError):
        make(name, **changes)


def test_epochs_differ_and_come_again_with_the_seed(make):
    chain = [make("flip"), make("colour")]
    inputs = noise(6, 6)
    first = augmented(chain, inputs, seed=0, epoch=0)
    assert first == augmented(chain, inputs, seed=0, epoch=0)
    assert first != augmented(chain, inputs, seed=0, epoch=1)
    assert first != augmented(chain, inputs, seed=1, epoch=0)
    assert inputs == noise(6, 6)


def test_two_alike_in_a_chain_do_not_do_the_same_twice(make):
    mirror = make("flip", horizontal=0.5, vertical=0)
    inputs = noise(6, 6, rows=40)
    twice = augmented([mirror, mirror], inputs, seed=0, epoch=0)
    changed = [not np.array_equal(decoded(a), decoded(b)) for a, b in zip(inputs, twice, strict=True)]
    assert 5 < sum(changed) < 35


def test_without_augmentations_inputs_are_the_same():
    inputs = ["a", "b"]
    assert augmented([], inputs, seed=0, epoch=3) is inputs


def test_an_augmentation_of_another_modality_is_refused(make):
    check_augmentations([make("flip")], modality="image")
    with pytest.raises(ParamsError, match=r"expected some that read text, as data.modality says, found flip, which reads image"):
        check_augmentations([make("word_dropout"), make("flip")], modality="text")
