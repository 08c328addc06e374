"""The data registry: a folder that is a git and DVC repository; a dataset's versions are its tags ``NAME/v1``, ``NAME/v2`` ...

The only file that imports DVC. Rows lie in DVC's store beside the folder, the card in git. Reading goes through the revision, never
through the working files, so a version stays readable whatever is checked out.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.data import repository
from rootstock.data.repository import git
from rootstock.data.rows import write_rows
from rootstock.errors import BusyError, DataError, RootstockError, ServiceError, unknown_name
from rootstock.files import storage_errors, write_file, write_text
from rootstock.records import DatasetRevision

if TYPE_CHECKING:
    import pandas as pd

LATEST = "latest"
ROWS_FILE, CARD_FILE = "rows.parquet", "card.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAG = re.compile(r"(?P<name>.+)/v(?P<number>[1-9]\d*)")


class NewestMoved(BusyError):
    """Another process added a version in the meantime; read the rows again before adding."""


def add(
    registry: Path, name: str, frame: pd.DataFrame, *, card: dict[str, Any], after: DatasetRevision | None = None
) -> DatasetRevision:
    """Add a version of dataset ``name`` and return it; the newest one again if its rows are these, and no other licence is stated.

    The order of rows does not matter. Makes the registry if there is none. All or nothing: on any failure there is no new tag and
    every file is as it was. ``after`` is the newest version when its rows were read: if another is by now, NewestMoved is raised.
    Raises DataError for a bad name or uncommitted changes, BusyError, StorageError for a full disk.
    """
    if not _NAME.fullmatch(name) or ".." in name or name.endswith((".lock", ".")):
        raise DataError(f"expected a dataset name of letters, digits, '.', '_' and '-', found '{name}'; choose another name")
    _create(registry)
    with repository.locked(registry):
        repository.recover(registry)
        repository.check_clean(registry)
        rows = frame.sort_values("id", ignore_index=True)
        newest = resolve(registry, name, LATEST) if name in _tags_by_name(registry) else None
        if after is not None and newest != after:
            raise NewestMoved(
                f"{registry}: expected {after.revision} to be the newest version of {name}, found "
                f"{newest.revision if newest else 'none'}, as somebody else added one meanwhile; run the same command again"
            )
        if newest is not None and _says_the_same(registry, newest, card) and read_rows(registry, newest).equals(rows):
            return newest
        tag = f"{name}/v{int(_number(newest.revision)) + 1 if newest else 1}"
        with repository.all_or_nothing(registry, name) as folder:
            write_file(folder / ROWS_FILE, lambda temporary: write_rows(rows, temporary))
            write_text(
                folder / CARD_FILE, json.dumps({"dataset": name, **card}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
            )
            _store(registry, folder / ROWS_FILE)
            repository.commit(registry, name, message=f"Add {tag}: {len(rows)} rows")
            revision = _revision(registry, name, tag, rev="HEAD")
            git(registry, "tag", tag)
        return revision


def list_versions(registry: Path) -> dict[str, tuple[DatasetRevision, ...]]:
    """Dataset name -> its versions, oldest first. Raises DataError if there is no registry."""
    return {name: tuple(_revision(registry, name, tag, rev=tag) for tag in tags) for name, tags in _tags_by_name(registry).items()}


def _tags_by_name(registry: Path) -> dict[str, list[str]]:
    """Dataset name -> tags of its versions, oldest first."""
    _check_exists(registry)
    found: dict[str, list[str]] = {}
    for tag in repository.tags(registry):
        if match := _TAG.fullmatch(tag):
            found.setdefault(match["name"], []).append(tag)
    return {name: sorted(found[name], key=_number) for name in sorted(found)}


def resolve(registry: Path, name: str, revision: str) -> DatasetRevision:
    """The version of ``name`` that ``revision`` means: ``latest``, ``NAME/vN`` or ``vN``.

    Raises DataError naming the known datasets or versions.
    """
    known = _tags_by_name(registry)
    if name not in known:
        raise DataError(f"{registry}: {unknown_name('dataset', name, known)}; 'rootstock data add NAME PATH' adds one")
    tag = known[name][-1] if revision == LATEST else revision if "/" in revision else f"{name}/{revision}"
    if tag not in known[name]:
        raise DataError(f"{registry}: {unknown_name('revision', revision, [*known[name], LATEST])}")
    return _revision(registry, name, tag, rev=tag)  # of this one alone: git is asked twice a version, and a year has many


def read_rows(registry: Path, revision: DatasetRevision) -> pd.DataFrame:
    """The canonical frame at a version, sorted by id. Raises DataError if the stored rows are gone or not those recorded."""
    import pandas as pd

    content = _read(registry, revision, ROWS_FILE)
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != revision.md5:
        raise DataError(
            f"{registry}: expected the rows of {revision.revision} with md5 {revision.md5}, found {found}; "
            "restore DVC's store from a backup"
        )
    return pd.read_parquet(io.BytesIO(content))


def read_card(registry: Path, revision: DatasetRevision) -> dict[str, Any]:
    """What was said of the dataset when this version was added: modality, counts, columns, origin, licence."""
    _check_exists(registry)
    card: dict[str, Any] = json.loads(git(registry, "show", f"{revision.git_sha}:{revision.dataset}/{CARD_FILE}"))
    return card


def _says_the_same(registry: Path, version: DatasetRevision, card: dict[str, Any]) -> bool:
    """Whether a card states no licence, or the one that the version has: the rest of a card follows from rows and file."""
    licence = card.get("licence")
    return licence is None or licence == read_card(registry, version).get("licence")


def _number(tag: str) -> int:
    return int(tag.rpartition("/v")[2])


def _check_exists(registry: Path) -> None:
    if not repository.is_repository(registry) or not (registry / ".dvc").is_dir():
        raise DataError(
            f"{registry}: expected a data registry, found none; 'rootstock data add NAME PATH' makes one, "
            "'rootstock data demo' fills it"
        )


def _revision(registry: Path, name: str, tag: str, *, rev: str) -> DatasetRevision:
    import yaml

    git_sha = git(registry, "rev-parse", f"{rev}^{{commit}}").strip()
    pointer = yaml.safe_load(git(registry, "show", f"{git_sha}:{name}/{ROWS_FILE}.dvc"))
    return DatasetRevision(dataset=name, revision=tag, git_sha=git_sha, md5=pointer["outs"][0]["md5"])


def _create(registry: Path) -> None:
    """Make the registry, and DVC's store beside it, unless it is there; what a kill or a full disk left half made is made anew."""
    if _is_made(registry):
        return
    with storage_errors(registry), repository.locked_to_create(registry):
        if _is_made(registry):  # by the process that was waited for
            return
        _make_repository(registry)
        with _dvc_errors(registry):
            from dvc.repo import Repo

            logging.getLogger("dvc.repo.init").setLevel(logging.WARNING)  # it tells what this function does anyway
            Repo.init(str(registry)).close()
        write_text(registry / ".dvc" / "config", _config(registry))
        repository.commit(registry, ".dvc", ".dvcignore", message="Create the data registry")


def _is_made(registry: Path) -> bool:
    """The commit comes last: without one, making the registry did not come to its end."""
    return repository.is_repository(registry) and (registry / ".dvc").is_dir() and repository.has_commit(registry, ".dvc")


def _make_repository(registry: Path) -> None:
    """A git repository without DVC: a new one, or what is there. Raises DataError for other files that are not committed."""
    others = list(_not_of_a_registry(registry)) if registry.is_dir() else []
    if not others:
        repository.create(registry)
    elif not (repository.is_repository(registry) and repository.has_commit(registry)):
        raise DataError(
            f"{registry}: expected a data registry or an empty folder, found other files; name another folder in data.registry"
        )
    if any(path.parent != registry for path in others):
        repository.check_clean(registry)  # somebody else set up a DVC here, and has not committed it
    else:
        git(registry, "reset", "--quiet", "--", ".dvc", ".dvcignore")
        shutil.rmtree(registry / ".dvc", ignore_errors=True)


def _not_of_a_registry(registry: Path) -> Iterator[Path]:
    """What lies in a folder, and is nothing that making a registry leaves behind when it is cut short."""
    own = (".git", ".dvc", ".dvcignore") if repository.is_repository(registry) else ()
    yield from (path for path in registry.iterdir() if path.name not in own)
    config = registry / ".dvc" / "config"
    for path in (registry / ".dvc").glob("*"):
        if path != config and path.name not in (".gitignore", "tmp") and not path.name.startswith(f".{config.name}."):
            yield path
    if config.is_file() and config.read_text(encoding="utf-8") not in ("", _config(registry)):
        yield config


def _config(registry: Path) -> str:
    """DVC's, with a store beside the registry: DVC reads its path relative to the folder of this file."""
    store = f"../../{registry.resolve().name}-store"
    return f"[core]\n    analytics = false\n    autostage = false\n    remote = store\n['remote \"store\"']\n    url = {store}\n"


def _store(registry: Path, path: Path) -> None:
    with _dvc_errors(registry):
        from dvc.repo import Repo

        with Repo(str(registry)) as dvc:
            dvc.add([str(path)])
            dvc.push(targets=[f"{path}.dvc"])


def _read(registry: Path, revision: DatasetRevision, file: str) -> bytes:
    _check_exists(registry)
    with _dvc_errors(registry):
        from dvc.api import DVCFileSystem

        content: bytes = DVCFileSystem(str(registry), rev=revision.git_sha).read_bytes(f"{revision.dataset}/{file}")
        return content


@contextlib.contextmanager
def _dvc_errors(registry: Path) -> Iterator[None]:
    """Keep DVC's messages off standard output, and turn its failures into one line."""
    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except RootstockError:
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{registry}: expected rows in DVC's store, found none ({error}); restore the store beside the registry"
        ) from error
    except OSError:
        raise
    except Exception as error:  # DVC's tree of exceptions lies in the package that is imported late
        if isinstance(cause := error.__cause__, OSError):
            raise cause from error
        raise ServiceError(f"{registry}: DVC failed: {error}; 'dvc doctor' there says more") from error
