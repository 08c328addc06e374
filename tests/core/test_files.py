"""Content hashes, atomic writes, and what a full disk does."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import numpy as np
import pytest
from rootstock.errors import InputError, StorageError
from rootstock.files import new_folder, read_utf8, sha256_of, sha256_of_json, sha256_of_source, write_file, write_text


def folder_with(path: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, encoding="utf-8")
    return path


def full_disk(_temporary: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


def test_the_hash_of_a_folder_changes_with_content(tmp_path):
    one = folder_with(tmp_path / "one", {"a": "1", "b/c": "2"})
    two = folder_with(tmp_path / "two", {"a": "1", "b/c": "3"})
    assert sha256_of(one) != sha256_of(two)


def test_the_hash_of_a_folder_changes_with_a_name(tmp_path):
    one = folder_with(tmp_path / "one", {"a": "1", "b/c": "2"})
    two = folder_with(tmp_path / "two", {"a": "1", "b/d": "2"})
    assert sha256_of(one) != sha256_of(two)


def test_the_hash_of_a_folder_does_not_change_with_the_order_of_creation_or_with_its_own_name(tmp_path, monkeypatch):
    one = folder_with(tmp_path / "one", {"a": "1", "b/c": "2", "z": "3"})
    two = folder_with(tmp_path / "two", {"z": "3", "b/c": "2", "a": "1"})
    expected = sha256_of(one)
    assert sha256_of(two) == expected
    listed = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: reversed(list(listed(self, pattern))))
    assert sha256_of(two) == expected


def test_the_hash_of_json_does_not_change_with_the_order_of_keys():
    assert sha256_of_json({"a": 1, "b": [1, 2]}) == sha256_of_json({"b": [1, 2], "a": 1}) != sha256_of_json({"a": 1, "b": [2, 1]})


def test_the_hash_of_source_leaves_caches_out(tmp_path):
    folder = folder_with(tmp_path / "package", {"a.py": "1", "b.jinja": "2"})
    before = sha256_of_source(folder)
    folder_with(folder, {"__pycache__/a.pyc": "3"})
    assert sha256_of_source(folder) == before
    folder_with(folder, {"a.py": "2"})
    assert sha256_of_source(folder) != before


def test_a_writer_that_raises_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "kept.txt"
    write_text(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne", encoding="utf-8")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_file(path, half)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_storage_error_with_exit_code_2_and_the_old_file_is_whole(tmp_path):
    path = tmp_path / "kept.txt"
    write_text(path, "old")
    with pytest.raises(StorageError, match=r"cannot write .*kept\.txt: No space left on device; nothing was changed") as caught:
        write_file(path, full_disk)
    assert caught.value.exit_code == 2
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="needs /dev/full, a disk that is always full")
def test_a_short_write_of_numpy_is_a_storage_error(tmp_path):
    def save(_temporary: Path) -> None:
        with Path("/dev/full").open("wb") as stream:
            np.save(stream, np.zeros(100_000))

    with pytest.raises(StorageError, match="cannot write"):
        write_file(tmp_path / "features.npy", save)
    with pytest.raises(StorageError, match=r"the disk took only a part \(9 requested and 4 written\)"):
        write_file(tmp_path / "features.npy", lambda _: (_ for _ in ()).throw(OSError("9 requested and 4 written")))


def test_a_full_disk_under_safetensors_is_a_storage_error(tmp_path):
    from safetensors import SafetensorError

    def save(_temporary: Path) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    with pytest.raises(StorageError, match="No space left on device"):
        write_file(tmp_path / "head.safetensors", save)


def test_another_error_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_file(tmp_path / "a", lambda _: (tmp_path / "none").read_bytes())


def test_a_new_folder_appears_whole_and_takes_the_place_of_the_old(tmp_path):
    for text in ("old", "new"):
        with new_folder(tmp_path / "model") as draft:
            folder_with(draft, {f"{text}.txt": text})
            assert not (tmp_path / "model" / f"{text}.txt").exists()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_new_folder_that_fails_leaves_the_old_one(tmp_path):
    with new_folder(tmp_path / "model") as draft:
        folder_with(draft, {"old.txt": "old"})

    def fail() -> None:
        with new_folder(tmp_path / "model") as draft:
            folder_with(draft, {"new.txt": "new"})
            full_disk(draft)

    with pytest.raises(StorageError, match="nothing was changed"):
        fail()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["old.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_bytes_that_are_no_utf8_are_named_by_line_and_place(tmp_path, mark):
    path = tmp_path / "latin.txt"
    path.write_bytes(mark + b"one\ntwo\ncaf\xe9\n")
    with pytest.raises(InputError, match=rf"found byte 0xe9 at line 3 \(byte {11 + len(mark)}\)"):
        read_utf8(path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbftask: a\n")
    assert read_utf8(path) == "task: a\n"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="expected a file, found nothing"):
        read_utf8(tmp_path / "none")
    with pytest.raises(InputError, match="expected a file, found a folder"):
        read_utf8(tmp_path)


def test_a_file_where_a_folder_should_be_is_a_storage_error_that_names_it(tmp_path):
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    with pytest.raises(
        StorageError, match=r"cannot write .*a\.txt: .*/taken: .*; nothing was changed; choose another name or folder"
    ):
        write_text(tmp_path / "taken" / "a.txt", "new")


def test_a_folder_where_a_file_should_be_is_a_storage_error_and_stays(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        write_text(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_name_that_is_too_long_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="File name too long"):
        write_text(tmp_path / ("a" * 300), "new")


def test_what_stands_in_the_way_elsewhere_is_not_said_of_this_path(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "here").mkdir()
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "here" / "a", lambda _: (tmp_path / "other").mkdir())
