"""One way to open pictures: transparent ones on white, none cut off at 8 bits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pictures
from rootstock.data.image import Image
from rootstock.errors import DataError
from rootstock.export import loader
from rootstock.pictures import flattened
from rootstock.registration import standalone
from rootstock.table import png_bytes, read_image_folder

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
    for data in (content, png_bytes(content)):
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
    for data in (content.getvalue(), png_bytes(content.getvalue())):
        seen = Image(side=SIDE).tensors([data], {})["pixel_values"][0, 0].numpy()
        np.testing.assert_allclose(seen, expected, atol=0.2)
        for opened in (standalone.opened, loader.opened):
            np.testing.assert_allclose(np.asarray(opened(data))[..., 0] / 127.5 - 1, expected, atol=0.2)


def test_an_opaque_picture_stays_as_it_is():
    picture = Pictures.new("RGB", (3, 2), (1, 2, 3))
    assert flattened(picture) is picture
    assert png_bytes(encoded(picture)) == encoded(picture)
    alpha = Pictures.new("RGBA", (3, 2), (1, 2, 3, 255))
    np.testing.assert_array_equal(np.asarray(flattened(alpha).convert("RGB")), np.asarray(picture))


@pytest.mark.parametrize("mode", list(DEEP))
def test_more_than_8_bits_are_refused_rather_than_cut_off(mode, tmp_path):
    with pytest.raises(ValueError, match="more than 8 bits a channel: scale its values to 0 to 255"):
        png_bytes(DEEP[mode])
    with pytest.raises(DataError, match=rf"image 0: expected the bytes of an image, found mode {mode}"):
        Image(side=SIDE).tensors([DEEP[mode]], {})
    for opened in (standalone.opened, loader.opened):
        with pytest.raises(ValueError, match=f"expected an image of 8 bits a channel, found mode {mode}"):
            opened(DEEP[mode])
    (tmp_path / f"deep.{'tif' if mode == 'F' else 'png'}").write_bytes(DEEP[mode])
    with pytest.raises(DataError, match=r"deep.*cannot be decoded \(mode .*more than 8 bits"):
        read_image_folder(tmp_path)


def test_a_linked_folder_is_read_like_any_other_and_a_link_upwards_is_not(tmp_path):
    real, pictures = tmp_path / "elsewhere" / "c", tmp_path / "pictures"
    for folder in (real, pictures / "a"):
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(encoded(Pictures.new("L", (2, 2))))
    (pictures / "c").symlink_to(real)
    (pictures / "a" / "up").symlink_to(pictures)
    (pictures / "gone").symlink_to(tmp_path / "nothing")
    assert list(read_image_folder(pictures)["id"]) == ["a/1.png", "c/1.png"]


def test_hidden_images_are_left_alone_when_a_folder_is_read(tmp_path):
    for name in ("a/1.png", ".ipynb_checkpoints/1.png", "a/.ipynb_checkpoints/1-checkpoint.png", "__MACOSX/a/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(Pictures.new("L", (2, 2))))
    (tmp_path / "a" / "._1.png").write_bytes(b"\0\5\x16\7")
    assert list(read_image_folder(tmp_path)["id"]) == ["a/1.png"]
