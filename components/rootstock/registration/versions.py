"""Versions of a registered model: what is in production and what there was."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from rootstock.errors import DataError, InputError, ServiceError, unknown_name
from rootstock.files import sha256_of
from rootstock.params import RegistrationParams, SimilarityParams
from rootstock.records import Artifact, EarlierVersion, Incumbent, RowsFile
from rootstock.registration import mlflow_registry as registry
from rootstock.registration.mlflow_registry import KEY_TAG, SHA256_TAG, Version
from rootstock.registration.reconcile import reconcile, warn, warn_of_outside_moves


def find_incumbent(*, registration: RegistrationParams, similarity: SimilarityParams, workspace: str, folder: Path) -> Incumbent:
    """The champion, and up to ``similarity.earlier_versions`` versions before it; all None where no version is champion.

    Their model folders are downloaded to ``folder/version-N``, and used again where they still are what was registered. Versions
    that Rootstock did not register, and those with the same weights as a later one, are left out; so is, with a warning, an earlier
    one whose files are gone.
    A promotion that was broken off is completed first, and an alias that something else moved is warned of (see ``reconcile``).
    Raises ServiceError if the registry cannot say, or gives back other weights than were registered.
    """
    client = registry.tracking(workspace)
    model = registration.model
    number = reconcile(registration=registration, workspace=workspace).champion
    if number is None:
        return Incumbent(version=None, model=None, run_key=None, earlier=())
    versions = registry.find_versions(client, model)
    champion = next(version for version in versions if version.version == number)
    earlier = _before(champion, versions)[: similarity.earlier_versions]
    return Incumbent(
        version=number,
        model=_fetched(champion, model, folder),
        run_key=champion.tags.get(KEY_TAG),
        earlier=tuple(kept for each in earlier if (kept := _earlier(each, model, folder)) is not None),
    )


def _earlier(version: Version, model: str, folder: Path) -> EarlierVersion | None:
    """None, and a warning, where its files are gone from the artifact store, as after somebody made room."""
    try:
        return EarlierVersion(version=version.version, model=_fetched(version, model, folder))
    except InputError as error:
        warn(f"version {version.version} of model '{model}' is left out of what could be learned from: {error}")
        return None


def _before(champion: Version, versions: tuple[Version, ...]) -> list[Version]:
    """Rootstock's versions older than the champion, newest first, each model once."""
    seen = {champion.tags.get(SHA256_TAG)}
    found = []
    for version in reversed(versions):
        sha256 = version.tags.get(SHA256_TAG)
        if int(version.version) < int(champion.version) and sha256 is not None and sha256 not in seen:
            seen.add(sha256)
            found.append(version)
    return found


def _fetched(version: Version, model: str, folder: Path) -> Artifact:
    path = folder / f"version-{version.version}"
    if not path.is_dir() or sha256_of(path) != version.tags.get(SHA256_TAG):
        registry.fetch_model(f"models:/{model}/{version.version}", path)
    return _verified(path, version, model)


def list_versions(model: str, *, workspace: str) -> tuple[Version, ...]:
    """Every version of a model, oldest first; empty where there is none."""
    return registry.find_versions(registry.tracking(workspace), model)


def find_version(model: str, alias_or_version: str, *, workspace: str) -> Version:
    """The version with this number or alias. Warns of an alias that something else than Rootstock has moved.

    Raises InputError listing the known ones.
    """
    client = registry.tracking(workspace)
    warn_of_outside_moves(client, model, workspace)
    versions = registry.find_versions(client, model)
    wanted = alias_or_version.removeprefix("@")
    for version in versions:
        if wanted == version.version or wanted in version.aliases:
            return version
    if not versions:
        raise InputError(f"model '{model}' has no versions yet (asked for '{wanted}'); 'rootstock run' registers one")
    known = [name for version in versions for name in (version.version, *version.aliases)]
    raise InputError(unknown_name(f"version or alias of model '{model}'", wanted, known))


def download_model(model: str, alias_or_version: str, *, workspace: str, folder: Path) -> tuple[str, Path]:
    """Version number, and its model folder downloaded to ``folder``.

    Raises InputError for an unknown version, ServiceError if the registry gives back other weights than were registered.
    """
    version = find_version(model, alias_or_version, workspace=workspace)
    path = registry.fetch_model(f"models:/{model}/{version.version}", folder)
    _verified(path, version, model)
    return version.version, path


def find_test_rows(model: str, alias_or_version: str, *, workspace: str) -> RowsFile:
    """The test rows that a version was judged on, as they still lie in the workspace of its run.

    Raises InputError for an unknown version, DataError if the rows are not at hand or were changed.
    """
    version = find_version(model, alias_or_version, workspace=workspace)
    text = registry.read_record(registry.tracking(workspace), version.run_id, "prepared_data") if version.run_id else None
    file: RowsFile | None = None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        # This much of the record, so that what else changes in it between releases does not matter.
        splits = json.loads(text)["target"]["splits"] if text is not None else {}
        file = RowsFile.model_validate(splits["test"] if "test" in splits else splits["train"])  # judged out of fold on the latter
    reason = "its run keeps no record of them" if file is None else file.damage()
    if file is None or reason is not None:
        raise DataError(
            f"model '{model}' version {version.version}: expected the test rows that it was judged on, found that {reason}; "
            "name a file of rows instead"
        )
    return file


def _verified(path: Path, version: Version, model: str) -> Artifact:
    artifact = Artifact.of(path)
    expected = version.tags.get(SHA256_TAG)
    if expected is not None and expected != artifact.sha256:
        raise ServiceError(
            f"model '{model}' version {version.version}: expected a model folder with sha256 {expected[:12]}, the artifact store "
            f"gave {artifact.sha256[:12]}; the stored files were changed: restore them, or roll back to another version"
        )
    return artifact
