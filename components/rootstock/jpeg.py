"""What a camera wrote beside a photograph, taken out of its file without touching the photograph.

A JPEG file is a row of segments, each behind a marker (ITU-T T.81, annex B). Cameras and telephones write into some of them where,
when, by whom and with what a picture was taken, often with a smaller picture that nobody sees (Exif, XMP, IPTC, comments), and
append further pictures to the file. None of that is seen by a model, and a data set is handed around.
"""

from __future__ import annotations

from collections.abc import Iterator

START, END, SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
#: Markers without a length: those of restarts, and the start.
BARE = (*range(0xD0, 0xD8), 0xD8, 0x01)
JFIF, ICC, ADOBE, COMMENT = 0xE0, 0xE2, 0xEE, 0xFE
ICC_NAME = b"ICC_PROFILE\0"


def without_notes(content: bytes, *, orientation: int | None) -> bytes:
    """The first photograph of a JPEG file with what its pixels are read by, colours and how it is held, and nothing else beside it.

    ``orientation`` is Exif's, 2 to 8, or None for an upright one. A file whose segments cannot be told apart is given back as it
    is, and so is one that has no notes.
    """
    from PIL import Image

    try:
        parts = list(_parts(content))
    except (IndexError, ValueError):
        return content
    kept = [START]
    if orientation is not None:
        held = Image.Exif()
        held[0x0112] = orientation
        exif = held.tobytes()
        kept.append(b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif)
    kept += [part for marker, part in parts if not _is_note(marker, part)]
    return b"".join([*kept, END])


def _is_note(marker: int, part: bytes) -> bool:
    if marker == ICC:
        return not part[4:].startswith(ICC_NAME)
    return marker == COMMENT or (JFIF < marker <= 0xEF and marker != ADOBE)


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and bytes of each segment between the start and the first end; a scan with the pixels behind it.

    Raises IndexError or ValueError where something else stands.
    """
    if not content.startswith(START):
        raise ValueError("no start of a picture")
    place = len(START)
    while content[place : place + 2] != END:
        if content[place] != 0xFF:
            raise ValueError("no marker")
        marker = content[place + 1]
        if marker == 0xFF:  # a byte that fills up
            place += 1
            continue
        length = 0 if marker in BARE else int.from_bytes(content[place + 2 : place + 4], "big")
        end = place + 2 + length
        if end > len(content):
            raise ValueError("cut short")
        if marker == SCAN:
            end = _end_of_scan(content, end)
        yield marker, content[place:end]
        place = end


def _end_of_scan(content: bytes, place: int) -> int:
    """Where the next segment begins: in pixels a byte of 255 is followed by 0, or by a restart."""
    while True:
        place = content.index(b"\xff", place)
        if content[place + 1] != 0 and content[place + 1] not in BARE:
            return place
        place += 2
