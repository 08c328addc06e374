"""Versions of data: deterministic, pinned, and all or nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from rootstock.data import registry, repository
from rootstock.data.card import make_card
from rootstock.data.diff import diff
from rootstock.data.rows import make_frame
from rootstock.errors import BusyError, DataError, InputError, StorageError


def frame_of(*texts: str, label: str = "a") -> pd.DataFrame:
    return make_frame([*texts, "one other", "two other"], [*[label] * len(texts), "b", "b"])


def put(path: Path, frame: pd.DataFrame, name: str = "news"):
    return registry.add(path, name, frame, card=make_card(frame, modality="text", origin="a test"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A registry with two versions; tests that write use a copy."""
    path = tmp_path_factory.mktemp("project") / "data"
    put(path, frame_of("x", "y"))
    put(path, frame_of("x", "y", "z"))
    return path


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made.parent, tmp_path / "project")
    return tmp_path / "project" / "data"


def state(path: Path) -> tuple[str, ...]:
    working = sorted(
        (file.relative_to(path).as_posix(), file.read_bytes()) for file in (path / "news").rglob("*") if file.is_file()
    )
    return (
        repository.git(path, "rev-parse", "HEAD"),
        repository.git(path, "tag"),
        repository.git(path, "status", "--porcelain", "-uall"),
        str(working),
    )


def test_versions_are_numbered_from_one_and_latest_is_the_newest(made):
    assert [version.revision for version in registry.list_versions(made)["news"]] == ["news/v1", "news/v2"]
    assert registry.resolve(made, "news", "latest").revision == "news/v2"


def test_git_is_asked_no_more_of_a_dataset_with_a_year_of_versions(copy, monkeypatch):
    asked = []

    def counting(repository_: Path, *arguments: str) -> str:
        asked.append(arguments)
        return repository.git(repository_, *arguments)

    monkeypatch.setattr(registry, "git", counting)
    registry.resolve(copy, "news", "latest")
    of_two = len(asked)
    for number in range(3, 20):
        repository.git(copy, "tag", f"news/v{number}", "news/v2")
    assert registry.resolve(copy, "news", "latest").revision == "news/v19"
    assert len(asked) == 2 * of_two


def test_an_old_version_reads_as_it_was(made):
    rows = registry.read_rows(made, registry.resolve(made, "news", "news/v1"))
    pd.testing.assert_frame_equal(rows, frame_of("x", "y").sort_values("id", ignore_index=True))


def test_rows_are_read_from_the_store_when_the_cache_is_gone(copy):
    shutil.rmtree(copy / ".dvc" / "cache")
    assert len(registry.read_rows(copy, registry.resolve(copy, "news", "v1"))) == 4


def test_the_same_rows_in_another_order_make_no_new_version(copy):
    before = registry.resolve(copy, "news", "latest")
    assert put(copy, frame_of("x", "y", "z").iloc[::-1]) == before
    assert len(registry.list_versions(copy)["news"]) == 2


def test_a_licence_stated_later_makes_a_version_with_the_same_rows(copy):
    frame = frame_of("x", "y", "z")
    stated = make_card(frame, modality="text", origin="a test", licence="cc-by-4.0")
    version = registry.add(copy, "news", frame, card=stated)
    assert (version.revision, version.md5) == ("news/v3", registry.resolve(copy, "news", "v2").md5)
    assert registry.read_card(copy, version)["licence"] == "CC-BY-4.0"
    assert registry.add(copy, "news", frame, card=stated) == version
    assert put(copy, frame) == version


def test_a_card_refuses_a_licence_that_is_none():
    with pytest.raises(InputError, match="found 'free'"):
        make_card(frame_of("x"), modality="text", origin="a test", licence="free")


def test_rows_read_from_an_older_version_are_not_added_after_a_newer(copy):
    older, newer = registry.list_versions(copy)["news"]
    frame, before = frame_of("x", "y", "w"), state(copy)
    card = make_card(frame, modality="text", origin="a test")
    with pytest.raises(BusyError, match=r"expected news/v1 to be the newest version of news, found news/v2.*run the same command"):
        registry.add(copy, "news", frame, card=card, after=older)
    assert state(copy) == before
    assert registry.add(copy, "news", frame, card=card, after=newer).revision == "news/v3"


def test_equal_rows_have_equal_hashes_in_two_registries(made, tmp_path):
    assert put(tmp_path / "other", frame_of("x", "y")).md5 == registry.resolve(made, "news", "v1").md5


def test_images_come_back_as_bytes(tmp_path):
    frame = make_frame([b"\x89PNG1", b"\x89PNG2"], ["a", "b"])
    version = put(tmp_path / "data", frame)
    assert set(registry.read_rows(tmp_path / "data", version)["input"]) == {b"\x89PNG1", b"\x89PNG2"}


def test_the_card_says_what_was_added(made):
    card = registry.read_card(made, registry.resolve(made, "news", "v2"))
    assert card["rows"] == 5
    assert card["class_counts"] == {"": {"a": 3, "b": 2}}
    assert card["modality"] == "text"


def test_an_unknown_dataset_lists_the_known(made):
    with pytest.raises(DataError, match=r"unknown dataset 'newz'; known: news; did you mean 'news'"):
        registry.resolve(made, "newz", "latest")


def test_an_unknown_revision_lists_the_known(made):
    with pytest.raises(DataError, match=r"unknown revision 'news/v9'; known: latest, news/v1, news/v2"):
        registry.resolve(made, "news", "news/v9")


def test_no_registry_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match="rootstock data add"):
        registry.resolve(tmp_path / "none", "news", "latest")


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="empty folder"):
        put(tmp_path, frame_of("x"))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def own_repository(path: Path, *, commit: bool) -> Path:
    """A git repository that somebody has already, with a file in it."""
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    (path / "mine.txt").write_text("x")
    repository.git(path, "add", "mine.txt")
    if commit:
        repository.git(path, "-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-qm", "Mine")
    return path


@contextlib.contextmanager
def killed_at(monkeypatch, step: str) -> Iterator[None]:
    """What is called inside ends at this step as by a kill: nothing is cleared away."""

    def killed(*arguments, **options):
        raise KeyboardInterrupt

    real = repository.git
    with monkeypatch.context() as patch:
        if step == "dvc init":
            patch.setattr("dvc.repo.Repo.init", lambda path: (Path(path) / ".dvc" / "tmp").mkdir(parents=True) or killed())
        elif step == "write config":
            patch.setattr(registry, "write_text", killed)
        else:
            patch.setattr(repository, "git", lambda path, *rest: killed() if rest[0] == step else real(path, *rest))
        with pytest.raises(KeyboardInterrupt):
            yield


#: What making a registry comes to in turn; those of git by the name of its command.
CREATION = ("config", "dvc init", "write config", "commit")


@pytest.mark.parametrize("step", CREATION)
def test_a_registry_that_a_kill_left_half_made_is_made_by_the_same_command(tmp_path, monkeypatch, step):
    with killed_at(monkeypatch, step):
        put(tmp_path / "data", frame_of("x"))
    for name in ("index.lock", "config.lock"):  # git leaves these where it is killed itself
        (tmp_path / "data" / ".git" / name).touch()
    assert put(tmp_path / "data", frame_of("x")).revision == "news/v1"
    assert repository.git(tmp_path / "data", "log", "--format=%s").splitlines()[-1] == "Create the data registry"


def test_a_git_repository_that_a_full_disk_left_half_made_is_made_anew(tmp_path):
    (tmp_path / "data" / ".git" / "refs").mkdir(parents=True)
    assert put(tmp_path / "data", frame_of("x")).revision == "news/v1"


@pytest.mark.parametrize("step", CREATION[1:])
def test_a_kill_leaves_a_repository_of_ones_own_in_which_the_same_command_succeeds(tmp_path, monkeypatch, step):
    path = own_repository(tmp_path / "data", commit=True)
    for key, value in repository.IDENTITY.items():
        repository.git(path, "config", key, value)
    with killed_at(monkeypatch, step):
        put(path, frame_of("x"))
    assert put(path, frame_of("x")).revision == "news/v1"
    assert (path / "mine.txt").read_text() == "x"


@pytest.mark.parametrize("file", ["mine.txt", ".dvc/config", ".dvc/cache/x"])
def test_a_git_repository_of_ones_own_without_a_commit_is_left_alone(tmp_path, file):
    path = tmp_path / "data"
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    (path / file).write_text("x")
    repository.git(path, "add", file)
    before = repository.git(path, "status", "--porcelain", "-uall")
    with pytest.raises(DataError, match="expected a data registry or an empty folder, found other files"):
        put(path, frame_of("x"))
    assert repository.git(path, "status", "--porcelain", "-uall") == before
    assert (path / file).read_text() == "x"


def test_three_first_additions_at_once_all_succeed(tmp_path):
    code = (
        "import pathlib, sys; from rootstock.data import registry; from rootstock.data.rows import make_frame\n"
        "registry.add(pathlib.Path(sys.argv[1]), sys.argv[2], make_frame(['p', 'q'], ['a', 'b']), card={'modality': 'text'})"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    names = ["one", "two", "three"]
    adding = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "data"), name], env=environment) for name in names]
    assert [process.wait() for process in adding] == [0, 0, 0]
    assert set(registry.list_versions(tmp_path / "data")) == set(names)


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_registry_whose_git_folder_lies_elsewhere_is_as_any_other(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.file.allow")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "always")
    own = own_repository(tmp_path / "own", commit=True)
    path = tmp_path / "other" / "data"
    if kind == "worktree":
        repository.git(own, "worktree", "add", "-q", str(path))
    else:
        repository.git(own_repository(tmp_path / "other", commit=True), "submodule", "add", "-q", str(own), "data")
    for key, value in repository.IDENTITY.items():
        repository.git(path, "config", key, value)
    assert (path / ".git").is_file()
    assert put(path, frame_of("x")).revision == "news/v1"
    before = state(path)
    with killed_at(monkeypatch, "commit"):
        put(path, frame_of("x", "y"))
    assert state(path) == before
    (repository.git_folder(path) / "rootstock-addition").mkdir()
    assert put(path, frame_of("x", "y")).revision == "news/v2"


@pytest.mark.parametrize("name", ["../up", "a/b", "", "x.lock", "-x"])
def test_a_bad_name_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(DataError, match="dataset name"):
        put(tmp_path / "data", frame_of("x"), name)
    assert not (tmp_path / "data").exists()


def test_uncommitted_changes_are_named(copy):
    (copy / "stray.txt").write_text("x")
    with pytest.raises(DataError, match=r"stray\.txt.*stash"):
        put(copy, frame_of("new"))


@pytest.mark.parametrize("step", ["write_rows", "_store", "tag"])
@pytest.mark.parametrize("name", ["news", "fresh"])
def test_a_full_disk_leaves_the_registry_as_it_was(copy, monkeypatch, step, name):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = state(copy)
    if step == "tag":
        real = registry.git
        monkeypatch.setattr(registry, "git", lambda path, *rest: full() if rest[0] == "tag" else real(path, *rest))
    else:
        monkeypatch.setattr(registry, step, full)
    with pytest.raises(StorageError, match="No space left"):
        put(copy, frame_of("new"), name)
    monkeypatch.undo()
    assert state(copy) == before
    assert not (copy / "fresh").exists()
    assert put(copy, frame_of("new")).revision == "news/v3"


@pytest.mark.parametrize("name", ["news", "fresh"])
def test_a_killed_addition_is_undone_by_the_next(copy, name):
    before = state(copy)
    code = (
        "import os, pathlib, sys; from rootstock.data import registry; from rootstock.data.rows import make_frame\n"
        "registry._store = lambda *_: os._exit(9)\n"
        "registry.add(pathlib.Path(sys.argv[1]), sys.argv[2], make_frame(['p', 'q'], ['a', 'b']), card={'modality': 'text'})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(copy), name], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 9
    assert state(copy) != before
    repository.recover(copy)
    assert state(copy) == before
    assert put(copy, frame_of("new")).revision == "news/v3"


def test_changed_bytes_in_the_store_are_noticed(copy):
    version = registry.resolve(copy, "news", "v1")
    for root in (copy / ".dvc" / "cache", copy.parent / "data-store"):
        for path in root.rglob(version.md5[2:]):
            path.chmod(0o644)
            path.write_bytes(b"something else")
    with pytest.raises(DataError, match="md5"):
        registry.read_rows(copy, version)


def test_no_global_git_identity_is_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert put(tmp_path / "data", frame_of("x", "y")).revision == "news/v1"


def test_a_registry_inside_another_repository_is_one_of_its_own(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    put(tmp_path / "data", frame_of("x", "y"))
    assert repository.git(tmp_path, "tag") == ""


def test_diff_tells_added_removed_and_relabelled(copy):
    changed = frame_of("x", "z", "w").assign(label=["a", "b", "a", "b", "b"])
    put(copy, changed)
    found = diff(copy, "news/v2", "news")
    assert (len(found.added), len(found.removed)) == (1, 1)
    assert [(row.before, row.after) for row in found.relabelled] == [("a", "b")]
    assert found.counts_before == {"a": 3, "b": 2}
    assert found.counts_after == {"a": 2, "b": 3}
