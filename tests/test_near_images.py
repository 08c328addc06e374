"""Near-equal images: every kind of copy that is looked for, planted among digits, and how often others are taken for one."""

from __future__ import annotations

import io
import weakref
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from rootstock.data.contamination import without_copies
from rootstock.data.demo_digits import SOURCE, TARGET, build_digits
from rootstock.data.rows import make_frame
from rootstock.near_images import _opened, _thumbnails, near_images

SIMILARITY, PLANTED = 0.99, 50


@cache
def digits(name: str) -> tuple[bytes, ...]:
    """Images of a demo data set in a fixed random order."""
    images = list(build_digits()[name]["input"])
    return tuple(images[row] for row in np.random.default_rng(0).permutation(len(images)))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def written(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **options)
    return buffer.getvalue()


def shifted_light(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(picture).astype(int) + 12, 0, 255).astype(np.uint8))


def without(picture: Image.Image, left: int, upper: int, right: int, lower: int) -> Image.Image:
    return picture.crop((left, upper, picture.width - right, picture.height - lower))


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "encoded again": lambda data: written(opened(data), compress_level=1),
    "as JPEG": lambda data: written(opened(data), "JPEG", quality=85),
    "brighter": lambda data: written(ImageEnhance.Brightness(opened(data)).enhance(1.15)),
    "darker": lambda data: written(ImageEnhance.Brightness(opened(data)).enhance(0.85)),
    "lit from behind": lambda data: written(shifted_light(opened(data))),
    "in colour mode": lambda data: written(opened(data).convert("RGB")),
    "without its left edge": lambda data: written(without(opened(data), 1, 0, 0, 0)),
    "without its lower edge": lambda data: written(without(opened(data), 0, 0, 0, 1)),
    "without any edge": lambda data: written(without(opened(data), 1, 1, 1, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_whichever_side_was_changed(change):
    images = list(digits(TARGET)[:40])
    changed = [CHANGES[change](data) for data in images]
    assert near_images(changed, images, similarity=SIMILARITY).sum() >= 39
    assert near_images(images, changed, similarity=SIMILARITY).sum() >= 39


def test_large_pictures_are_compared_alike_when_several_are_opened_at_once(monkeypatch):
    images, others = list(digits(TARGET)[:30]), [written(opened(data), "JPEG") for data in digits(TARGET)[20:60]]
    one_by_one = near_images(images, [*others, b"no image"], similarity=SIMILARITY)
    monkeypatch.setattr("rootstock.pictures.LARGE_BYTES", 0)
    monkeypatch.setattr("rootstock.near_images.cores", lambda: 3)
    assert near_images(images, [*others, b"no image"], similarity=SIMILARITY).tolist() == one_by_one.tolist()
    assert 9 <= one_by_one.sum() < 30


def test_fifty_copies_and_fifty_changed_ones_are_found_in_a_source_and_no_other_row_is():
    tested, background = list(digits(TARGET)[:898]), list(digits(SOURCE))
    changes = list(CHANGES.values())
    near = [changes[place % len(changes)](data) for place, data in enumerate(tested[PLANTED : 2 * PLANTED])]
    rows = [*background, *tested[:PLANTED], *near]
    source = make_frame(rows, ["a", "b"] * (len(rows) // 2))
    alarms = without_copies(source.iloc[: len(background)], tested, similarity=SIMILARITY)[1]
    clean, found = without_copies(source, tested, similarity=SIMILARITY)
    assert (alarms.exact, alarms.near) == (0, 0)
    assert found.exact == PLANTED
    assert found.near >= PLANTED - 2
    assert len(clean) == len(rows) - found.exact - found.near


def test_of_distinct_digits_by_the_same_hands_at_most_one_in_a_hundred_is_taken_for_another():
    images = list(digits(TARGET))
    taken = near_images(images[:898], images[898:], similarity=SIMILARITY)
    assert taken.mean() <= 0.01


def test_none_looks_for_equal_bytes_only():
    tested = list(digits(TARGET)[:20])
    source = make_frame([tested[0], CHANGES["brighter"](tested[1]), tested[2]], ["a", "b", "a"])
    clean, found = without_copies(source, tested, similarity=None)
    assert (found.exact, found.near, len(clean)) == (2, 0, 1)


def test_another_colour_is_another_picture():
    random = np.random.default_rng(0)
    grey = random.integers(0, 200, (12, 12))
    red, blue = np.zeros((2, 12, 12, 3), dtype=np.uint8)
    red[..., 0], blue[..., 2] = grey, grey
    one, other = written(Image.fromarray(red)), written(Image.fromarray(blue))
    assert near_images([one], [one, other], similarity=SIMILARITY).all()
    assert not near_images([one], [other], similarity=SIMILARITY).any()


def test_what_cannot_be_read_and_what_is_of_one_colour_is_near_nothing():
    blank = written(Image.new("L", (8, 8), 7))
    broken = [b"no image", b"", blank]
    assert not near_images(broken, [*broken, digits(TARGET)[0]], similarity=SIMILARITY).any()
    assert near_images([], [blank], similarity=SIMILARITY).shape == (0,)
    assert not near_images([blank], [], similarity=SIMILARITY).any()


def test_blocks_do_not_change_what_is_found(monkeypatch):
    images = list(digits(TARGET)[:60])
    known = [CHANGES["brighter"](data) for data in images[::3]]
    whole = near_images(images, known, similarity=SIMILARITY)
    monkeypatch.setattr("rootstock.near_images.BLOCK_PAIRS", 50)
    np.testing.assert_array_equal(near_images(images, known, similarity=SIMILARITY), whole)
    assert whole.sum() >= 20


def test_large_pictures_are_compared_too():
    random = np.random.default_rng(0)
    scenes = [Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((300, 200), 3) for _ in range(8)]
    images = [written(scene) for scene in scenes]
    copies = [written(without(scene, 3, 0, 0, 0).resize((150, 100)), "JPEG", quality=80) for scene in scenes[:4]]
    assert near_images(images, copies, similarity=SIMILARITY).tolist() == [True] * 4 + [False] * 4


def test_pictures_are_opened_one_at_a_time(monkeypatch):
    images = [written(Image.effect_noise((40, 30), 50)) for _ in range(12)]
    given, alive = [], []

    def counted(data):
        picture = _opened(data)
        given.append(weakref.ref(picture))
        alive.append(sum(each() is not None for each in given))
        return picture

    monkeypatch.setattr("rootstock.near_images._opened", counted)
    assert near_images(images, images[:3], similarity=SIMILARITY).sum() == 3
    assert len(alive) == 15
    assert max(alive) <= 2  # the next one is opened before the name lets go of the last


def test_a_small_picture_that_breaks_off_does_not_make_the_others_be_compared_as_small(monkeypatch):
    sides = []
    monkeypatch.setattr("rootstock.near_images._thumbnails", lambda images, side: sides.append(side) or _thumbnails(images, side))
    images = [written(Image.effect_noise((40, 30), 50)) for _ in range(3)]
    small = written(Image.effect_noise((6, 6), 50))
    for others in ([small[: len(small) // 2]], [small]):
        assert near_images([*images, *others], images[:1], similarity=SIMILARITY).tolist()[:3] == [True, False, False]
    assert sides == [16, 16, 6, 6]
