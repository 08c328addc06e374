"""One way to open pictures: transparent ones on white, none cut off at 8 bits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pictures
from PIL.PngImagePlugin import PngInfo
from rootstock.data.image import Image
from rootstock.errors import DataError
from rootstock.export import loader
from rootstock.jpeg import without_notes
from rootstock.pictures import (
    ORIENTATION,
    ending_of,
    flattened,
    is_large,
    kept_bytes,
    pixels_no_finer,
    plain_picture,
    thumbnail,
)
from rootstock.registration import standalone
from rootstock.table import read_image_folder

SIDE = 6
#: A black stroke on nothing, as icons and sketches are kept.
STROKE = np.zeros((SIDE, SIDE, 4), dtype=np.uint8)
STROKE[2:4, :, 3] = 255


def encoded(picture: Pictures.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind)
    return buffer.getvalue()


def transparent() -> dict[str, bytes]:
    palette = Pictures.fromarray(np.where(STROKE[..., 3] > 0, 0, 1).astype(np.uint8), "L").convert("P")
    palette.info["transparency"] = 1
    colour = Pictures.fromarray(STROKE, "RGBA")
    return {"RGBA": encoded(colour), "LA": encoded(colour.convert("LA")), "P": encoded(palette), "WEBP": encoded(colour, "WEBP")}


DEEP = {
    "I;16": encoded(Pictures.fromarray(np.full((SIDE, SIDE), 4000, dtype=np.uint16))),
    "F": encoded(Pictures.fromarray(np.full((SIDE, SIDE), 0.5, dtype=np.float32)), "TIFF"),
}


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "WEBP"])
def test_what_is_transparent_is_white_wherever_it_is_opened(kind):
    content = transparent()[kind]
    expected = np.where(STROKE[..., 3] > 0, -1.0, 1.0)
    for data in (content, kept_bytes(content, most_pixels=None)):
        seen = Image(side=SIDE).tensors([data], {})["pixel_values"][0, 0].numpy()
        np.testing.assert_allclose(seen, expected, atol=0.02)
        for opened in (standalone.opened, loader.opened):
            np.testing.assert_allclose(np.asarray(opened(data))[..., 0] / 127.5 - 1, expected, atol=0.02)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_photograph_is_turned_as_its_camera_says_wherever_it_is_opened(kind):
    upright, sideways = Pictures.new("RGB", (SIDE, SIDE), "white"), Pictures.Exif()
    upright.paste("black", (0, 0, SIDE, SIDE // 2))
    sideways[0x0112] = 6  # turned by a quarter, to be turned back
    content = io.BytesIO()
    upright.rotate(90).save(content, format=kind, exif=sideways)
    expected = np.where(np.arange(SIDE) < SIDE // 2, -1.0, 1.0)[:, None].repeat(SIDE, axis=1)
    for data in (content.getvalue(), kept_bytes(content.getvalue(), most_pixels=None)):
        seen = Image(side=SIDE).tensors([data], {})["pixel_values"][0, 0].numpy()
        np.testing.assert_allclose(seen, expected, atol=0.2)
        for opened in (standalone.opened, loader.opened):
            np.testing.assert_allclose(np.asarray(opened(data))[..., 0] / 127.5 - 1, expected, atol=0.2)


def photograph(side: int = 64, *, turned: int | None = None, mode: str = "RGB") -> bytes:
    """Wider than it is high, brighter to the right; lying where a camera was."""
    grey = np.tile(np.linspace(0, 250, side).astype(np.uint8), (side // 2, 1))
    picture, exif, stream = Pictures.fromarray(grey).convert(mode), Pictures.Exif(), io.BytesIO()
    if turned is not None:
        exif[0x0112] = turned
    picture.save(stream, format="JPEG", quality=95, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize(("turned", "mode"), [(None, "RGB"), (6, "RGB"), (None, "L")])
def test_a_photograph_of_few_pixels_is_kept_as_it_was_packed(turned, mode):
    content = photograph(turned=turned, mode=mode)
    kept = kept_bytes(content, most_pixels=64 * 32)
    assert kept_bytes(content, most_pixels=None) == kept
    assert kept[-400:] == content[-400:]
    assert kept_bytes(kept, most_pixels=None) == kept
    assert ending_of(content) == ".jpg"


def test_a_photograph_of_four_inks_becomes_a_png_of_what_is_seen():
    kept = kept_bytes(photograph(mode="CMYK"), most_pixels=None)
    assert ending_of(kept) == ".png"
    np.testing.assert_array_equal(
        np.asarray(Pictures.open(io.BytesIO(kept))), np.asarray(Pictures.open(io.BytesIO(photograph(mode="CMYK"))).convert("RGB"))
    )


@pytest.mark.parametrize("most", [1, 7, 100, 64 * 32 - 1])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_larger_picture_is_scaled_to_no_more_pixels_in_its_own_format(kind, most):
    content = photograph() if kind == "JPEG" else encoded(Pictures.open(io.BytesIO(photograph())))
    scaled = Pictures.open(io.BytesIO(kept_bytes(content, most_pixels=most)))
    assert scaled.format == kind
    assert scaled.width * scaled.height <= most
    if most >= 100:
        assert scaled.width * scaled.height > 0.8 * most


def test_a_photograph_that_is_scaled_stands_upright_without_its_cameras_notes():
    scaled = Pictures.open(io.BytesIO(kept_bytes(photograph(turned=6), most_pixels=512)))
    assert scaled.size == (16, 32)
    assert not scaled.getexif()
    rows = np.asarray(scaled.convert("L")).mean(axis=1)
    assert rows[-1] > rows[0] + 200  # a quarter clockwise: what lay to the right is below


def test_a_backbone_sees_in_a_scaled_photograph_what_it_sees_in_the_whole_one():
    content = photograph(800)
    seen = Image(side=16).tensors([content, kept_bytes(content, most_pixels=10_000)], {})["pixel_values"].numpy()
    np.testing.assert_allclose(seen[0], seen[1], atol=0.03)  # of values in -1..1, a step of 8 bits being 0.008


def test_what_is_transparent_is_white_in_a_scaled_picture_too():
    content = encoded(Pictures.fromarray(STROKE, "RGBA").resize((60, 60), Pictures.Resampling.NEAREST))
    scaled = np.asarray(Pictures.open(io.BytesIO(kept_bytes(content, most_pixels=36))).convert("L"))
    np.testing.assert_allclose(scaled, np.where(STROKE[..., 3] > 0, 0, 255), atol=40)


@pytest.mark.parametrize("most", [None, 100])
def test_a_photograph_that_is_cut_short_is_refused_whether_or_not_it_is_scaled(most):
    with pytest.raises(ValueError, match="truncated"):
        kept_bytes(photograph(400)[:-900], most_pixels=most)


def test_a_thumbnail_is_a_small_photograph_of_what_is_seen():
    small = thumbnail(encoded(Pictures.fromarray(STROKE, "RGBA").resize((600, 300), Pictures.Resampling.NEAREST)), most_pixels=5000)
    picture = Pictures.open(io.BytesIO(small))
    assert (picture.format, picture.size) == ("JPEG", (100, 50))
    assert np.asarray(picture.convert("L"))[0, 0] > 250


def test_what_is_finer_than_can_be_seen_is_scaled_down_by_its_shorter_side():
    assert pixels_no_finer(photograph(200), shorter_side=30).shape == (30, 60, 3)
    assert pixels_no_finer(photograph(200, turned=6), shorter_side=30).shape == (60, 30, 3)


def test_what_is_coarse_enough_is_seen_as_it_is():
    for content in (photograph(60), encoded(Pictures.fromarray(STROKE, "RGBA")), encoded(Pictures.new("L", (9, 7), 40))):
        expected = plain_picture(content)
        found = pixels_no_finer(content, shorter_side=100)
        np.testing.assert_array_equal(found, np.asarray(expected))
        np.testing.assert_array_equal(np.asarray(plain_picture(found)), found)
        assert plain_picture(expected) is expected


@pytest.mark.parametrize("content", [b"no image", b"", photograph(400)[:-900]])
def test_what_cannot_be_read_has_no_pixels(content):
    with pytest.raises(ValueError, match=r"no image|0 bytes|truncated"):
        pixels_no_finer(content, shorter_side=30)


def test_large_images_are_worth_a_thread_in_every_form():
    small, large = Pictures.new("RGB", (28, 28)), Pictures.new("RGB", (448, 448))
    assert [is_large(each) for each in (small, np.asarray(small), encoded(small))] == [False] * 3
    assert [is_large(each) for each in (large, np.asarray(large), b"0" * 20_000)] == [True] * 3


def test_an_opaque_picture_stays_as_it_is():
    picture = Pictures.new("RGB", (3, 2), (1, 2, 3))
    assert flattened(picture) is picture
    assert kept_bytes(encoded(picture), most_pixels=None) == encoded(picture)
    alpha = Pictures.new("RGBA", (3, 2), (1, 2, 3, 255))
    np.testing.assert_array_equal(np.asarray(flattened(alpha).convert("RGB")), np.asarray(picture))


@pytest.mark.parametrize("mode", list(DEEP))
def test_more_than_8_bits_are_refused_rather_than_cut_off(mode, tmp_path):
    with pytest.raises(ValueError, match="more than 8 bits a channel: scale its values to 0 to 255"):
        kept_bytes(DEEP[mode], most_pixels=None)
    with pytest.raises(DataError, match=rf"image 0: expected the bytes of an image, found mode {mode}"):
        Image(side=SIDE).tensors([DEEP[mode]], {})
    for opened in (standalone.opened, loader.opened):
        with pytest.raises(ValueError, match=f"expected an image of 8 bits a channel, found mode {mode}"):
            opened(DEEP[mode])
    (tmp_path / f"deep.{'tif' if mode == 'F' else 'png'}").write_bytes(DEEP[mode])
    with pytest.raises(DataError, match=r"deep.*cannot be decoded \(mode .*more than 8 bits"):
        read_image_folder(tmp_path, most_pixels=None)


def test_a_linked_folder_is_read_like_any_other_and_a_link_upwards_is_not(tmp_path):
    real, pictures = tmp_path / "elsewhere" / "c", tmp_path / "pictures"
    for folder in (real, pictures / "a"):
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(encoded(Pictures.new("L", (2, 2))))
    (pictures / "c").symlink_to(real)
    (pictures / "a" / "up").symlink_to(pictures)
    (pictures / "gone").symlink_to(tmp_path / "nothing")
    assert list(read_image_folder(pictures, most_pixels=None)["id"]) == ["a/1.png", "c/1.png"]


def test_hidden_images_are_left_alone_when_a_folder_is_read(tmp_path):
    for name in ("a/1.png", ".ipynb_checkpoints/1.png", "a/.ipynb_checkpoints/1-checkpoint.png", "__MACOSX/a/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(Pictures.new("L", (2, 2))))
    (tmp_path / "a" / "._1.png").write_bytes(b"\0\5\x16\7")
    assert list(read_image_folder(tmp_path, most_pixels=None)["id"]) == ["a/1.png"]


def taken_by_ann(*, orientation: int = 1, **options) -> bytes:
    """With a place, a maker, XMP, a comment and a preview of 1,000 bytes, as telephones write them."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    exif = Pictures.Exif()
    exif[ORIENTATION], exif[0x010F] = orientation, "Maker of cameras"
    exif.get_ifd(0x8825)[1] = "N 48 12"
    buffer = io.BytesIO()
    Pictures.fromarray(noise).resize((40, 24)).save(
        buffer, format="JPEG", exif=exif, comment=b"taken by Ann", xmp=b"<x:xmpmeta>Ann</x:xmpmeta>", **options
    )
    content = buffer.getvalue()
    preview = b"\xff\xe2" + (1000 + 2).to_bytes(2, "big") + b"FPXR" + b"p" * 996
    return content[:2] + preview + content[2:]


def opened(content: bytes) -> np.ndarray:
    return np.asarray(flattened(Pictures.open(io.BytesIO(content))))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"subsampling": 0, "quality": 95}])
def test_a_photograph_is_kept_without_where_and_by_whom_it_was_taken_and_looks_the_same(orientation, options):
    content = taken_by_ann(orientation=orientation, **options)
    kept = kept_bytes(content, most_pixels=None)
    for note in (b"N 48 12", b"Maker of cameras", b"Ann", b"xmpmeta", b"pppp"):
        assert note in content
        assert note not in kept
    assert kept.startswith(b"\xff\xd8")
    np.testing.assert_array_equal(opened(kept), opened(content))
    assert kept_bytes(kept, most_pixels=None) == kept


def test_colours_are_read_as_before_where_a_profile_or_adobe_says_how():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kept = kept_bytes(taken_by_ann(icc_profile=profile, keep_rgb=True), most_pixels=None)
    assert Pictures.open(io.BytesIO(kept)).info["icc_profile"] == profile
    np.testing.assert_array_equal(opened(kept), opened(taken_by_ann(icc_profile=profile, keep_rgb=True)))


def test_pictures_behind_the_first_are_not_kept():
    one, other = (Pictures.new("RGB", (40, 24), colour) for colour in ("red", "blue"))
    buffer = io.BytesIO()
    one.save(buffer, format="MPO", save_all=True, append_images=[other])
    kept = kept_bytes(buffer.getvalue(), most_pixels=None)
    assert Pictures.open(io.BytesIO(buffer.getvalue())).n_frames == 2
    assert len(kept) < 0.6 * len(buffer.getvalue())
    np.testing.assert_array_equal(opened(kept), opened(buffer.getvalue()))


@pytest.mark.parametrize("damage", [lambda content: content[:-40], lambda content: content[:2] + b"\x00" + content[2:]])
def test_a_file_whose_parts_cannot_be_told_apart_is_given_back_as_it_is(damage):
    content = damage(taken_by_ann())
    assert without_notes(content, orientation=None) == content


def test_a_png_is_kept_as_it_is_unless_something_is_written_beside_it():
    picture, notes, exif = Pictures.new("L", (SIDE, SIDE), 90), PngInfo(), Pictures.Exif()
    assert kept_bytes(encoded(picture), most_pixels=None) == encoded(picture)
    notes.add_text("Author", "Ann")
    exif[0x010F] = "Maker of cameras"
    for options in ({"pnginfo": notes}, {"exif": exif}):
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG", **options)
        kept = kept_bytes(buffer.getvalue(), most_pixels=None)
        assert b"Ann" not in kept
        assert b"Maker" not in kept
        np.testing.assert_array_equal(opened(kept)[..., 0], np.asarray(picture))
