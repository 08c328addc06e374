"""The git side of the data registry: create, inspect, commit and tag, and put back what a failed addition touched."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from rootstock.errors import BusyError, DataError, ServiceError
from rootstock.files import storage_errors, write_text

IDENTITY = {
    "user.name": "Rootstock data registry",
    "user.email": "registry@localhost",
    "commit.gpgsign": "false",
    "tag.gpgsign": "false",
}
#: Inside git's own folder, so that it is never committed: what stood at the touched path before, and the commit to go back to.
JOURNAL = "rootstock-addition"
LOCK_SECONDS = 60.0


def git(repository: Path, *arguments: str) -> str:
    """Standard output of a git command in the repository, whatever repository the caller's environment points to.

    Raises ServiceError with git's last line if it fails or is not installed.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-C", str(repository), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    except FileNotFoundError as error:
        raise ServiceError(
            "expected the program git, found none on PATH; install it, the data registry is a git repository"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise ServiceError(f"{repository}: git {arguments[0]} failed: {said}")
    return done.stdout


def is_repository(folder: Path) -> bool:
    """Whether ``folder`` itself is a git repository, not only inside of one."""
    return (folder / ".git").exists()


def git_folder(repository: Path) -> Path:
    """Where git keeps its own: ``.git``, or in a worktree or a submodule the folder that the file ``.git`` names."""
    return Path(git(repository, "rev-parse", "--absolute-git-dir").removesuffix("\n"))


def has_commit(repository: Path, *paths: str) -> bool:
    """Whether anything was ever committed; where there are ``paths``, of these."""
    return bool(git(repository, "rev-list", "--all", "--max-count=1", "--", *paths).strip())


def create(folder: Path) -> None:
    """An empty git repository with an identity of its own, so that commits need no global one; made anew where one is half made."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in (folder / ".git").rglob("*.lock"):  # by a git that was killed: the next one would wait for it in vain
        left.unlink()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for key, value in IDENTITY.items():
        git(folder, "config", "--local", key, value)


def commit(repository: Path, *paths: str, message: str) -> None:
    """Commit these paths and nothing else."""
    git(repository, "add", "--", *paths)
    git(repository, "commit", "--quiet", "--message", message, "--", *paths)


def tags(repository: Path) -> tuple[str, ...]:
    """Every tag."""
    return tuple(git(repository, "tag", "--list").split())


def check_clean(repository: Path) -> None:
    """Raise DataError naming files with changes that are not committed."""
    lines = git(repository, "status", "--porcelain", "--untracked-files=all").splitlines()
    if lines:
        names = ", ".join(line[3:] for line in lines[:5]) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
        raise DataError(
            f"{repository}: expected no uncommitted changes, found {names}; commit them, or throw them away with "
            f"'git -C {repository} stash --include-untracked', then run the same command again"
        )


@contextlib.contextmanager
def locked(repository: Path) -> Iterator[None]:
    """Hold the registry against other additions. Raises BusyError after a minute of waiting."""
    with _lock(repository, git_folder(repository) / "rootstock.lock"):
        yield


@contextlib.contextmanager
def locked_to_create(repository: Path) -> Iterator[None]:
    """Hold a repository that may not be there yet, by a file beside it. Raises BusyError after a minute of waiting."""
    folder = repository.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(repository, folder.parent / f".{folder.name}.lock"):
        yield


@contextlib.contextmanager
def _lock(repository: Path, file: Path) -> Iterator[None]:
    import filelock

    try:
        with filelock.FileLock(file, timeout=LOCK_SECONDS):
            yield
    except filelock.Timeout as error:
        raise BusyError(
            f"{repository}: expected to add data, found another process adding for a minute; try again later"
        ) from error


@contextlib.contextmanager
def all_or_nothing(repository: Path, name: str) -> Iterator[Path]:
    """Give an empty folder ``name`` to fill and commit; on any failure the folder, the index and the branch are as before.

    What was there is moved aside, not copied, so going back needs no disk space. After a kill, :func:`recover` goes back.
    """
    journal = git_folder(repository) / JOURNAL
    folder = repository / name
    with storage_errors(repository):
        journal.mkdir()
        write_text(journal / "state", f"{git(repository, 'rev-parse', 'HEAD').strip()}\n{name}\n")
        if folder.exists():
            folder.rename(journal / "before")
        try:
            folder.mkdir()
            yield folder
        except BaseException:
            recover(repository)
            raise
        shutil.rmtree(journal)


def recover(repository: Path) -> None:
    """Undo an addition that did not come to its end; nothing happens where there is none."""
    journal = git_folder(repository) / JOURNAL
    if not journal.exists():
        return
    state = journal / "state"
    if state.is_file():
        head, name = state.read_text(encoding="utf-8").split()
        finished = any(tag.startswith(f"{name}/") for tag in git(repository, "tag", "--points-at", "HEAD").split())
        if not (finished and git(repository, "rev-parse", "HEAD").strip() != head):
            _go_back(repository, head, name, before=journal / "before")
    shutil.rmtree(journal)


def _go_back(repository: Path, head: str, name: str, *, before: Path) -> None:
    folder = repository / name
    is_tracked = bool(git(repository, "ls-tree", "--name-only", head, "--", name).strip())
    if before.exists() or not is_tracked:  # otherwise the kill came before anything was moved
        shutil.rmtree(folder, ignore_errors=True)
    if before.exists():
        before.rename(folder)
    (git_folder(repository) / "index.lock").unlink(missing_ok=True)
    git(repository, "reset", "--quiet", "--soft", head)
    git(repository, "reset", "--quiet", "--", name)
