"""What a workspace that cannot be written does to a command that needs it for itself."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from rootstock.errors import BusyError, StorageError
from rootstock_flows.lock import only_run


def test_a_file_where_the_workspace_should_be_is_told_in_one_line(tmp_path):
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    with (
        pytest.raises(StorageError, match=r"cannot write .*taken/locks: Not a directory"),
        only_run("docs", f"{tmp_path}/taken"),
    ):
        pytest.fail("held a task in a file")


def test_a_workspace_that_is_read_only_is_told_in_one_line(tmp_path, monkeypatch):
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(StorageError, match="Read-only file system"), only_run("docs", str(tmp_path)):
        pytest.fail("held a task where nothing can be written")


def test_a_task_that_is_held_is_still_told_as_busy(tmp_path):
    with only_run("docs", str(tmp_path)), pytest.raises(BusyError, match="is already running"), only_run("docs", str(tmp_path)):
        pytest.fail("held a task twice")
