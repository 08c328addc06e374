"""MLflow: the only file that imports it. Runs, model versions and aliases, as plain values.

What a version holds is a pyfunc model from code: a two-line script and the model folder, no pickle. So it loads with
``mlflow.pyfunc.load_model("models:/NAME@champion")`` wherever Rootstock is installed and the pretrained base can be found.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from rootstock import __version__
from rootstock.errors import BusyError, InputError, ServiceError
from rootstock.files import new_folder, storage_errors
from rootstock.registration.run_contents import RunContents

KEY_TAG = "rootstock.run_key"
SHA256_TAG = "rootstock.model_sha256"
MODEL_PATH = "artifacts/model"
#: Of an embedded MLflow, in the workspace.
DATABASE = "mlflow.db"
#: Its tables take a loaded machine tens of seconds.
MAKING_SECONDS = 300.0
SCRIPT = "from rootstock.registration.mlflow_registry import serve\n\nserve()\n"
#: Name of Rootstock's own distribution, which is not its import name.
DISTRIBUTION = "rootstock-mlops"
PINNED = ("mlflow", "torch", "transformers", "peft", "safetensors", "scipy", "pandas")
#: MLflow takes so many parameters or metrics at once.
BATCH = 100
#: Name and password in a URI, which no message may repeat.
PASSWORD = re.compile(r"//[^/\s@]*@")

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class Version:
    """One version of a model in the registry."""

    version: str
    run_id: str
    created: float
    """seconds since 1970"""
    tags: Mapping[str, str]
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class RegisteredModel:
    """What the registry says of a model as a whole."""

    aliases: Mapping[str, str]
    """alias -> version"""
    tags: Mapping[str, str]


@contextlib.contextmanager
def service_errors(action: str) -> Iterator[None]:
    """Turn a failure of MLflow, its database or the network into a one-line ServiceError."""
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException) as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        message = (
            f"MLflow at {os.environ.get('MLFLOW_TRACKING_URI', 'the workspace')} could not {action}: {said}; "
            "run the same command again when it answers: what is done is kept"
        )
        raise ServiceError(PASSWORD.sub("//", message)) from error


def tracking(workspace: str) -> Any:
    """A client of ``MLFLOW_TRACKING_URI``, or of ``mlflow.db`` in the workspace where that is not set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if not given:
        with storage_errors(Path(workspace)):
            Path(workspace).mkdir(parents=True, exist_ok=True)
    uri = given or f"sqlite:///{Path(workspace).resolve()}/{DATABASE}"
    # The SQLite registry looks logged models up through the process-wide URI, whatever the client was given.
    mlflow.set_tracking_uri(uri)
    if not given:
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # set_tracking_uri writes it, and a second workspace would find it there
    with contextlib.nullcontext() if given else _made_whole(Path(workspace) / DATABASE), service_errors("open its store"):
        return mlflow.MlflowClient(tracking_uri=uri)


@contextlib.contextmanager
def _made_whole(database: Path) -> Iterator[None]:
    """Around opening a database, by which MLflow makes its tables the first time; one that this was cut short of is made anew.

    MLflow could never open it again, and it holds nothing yet: a mark stands beside it until all tables are made. Raises BusyError
    if another process is at it for too long.
    """
    import filelock

    begun = database.with_name(f"{database.name}.begun")
    if database.is_file() and not begun.exists():  # asked in this order, as the mark comes before the database
        yield
        return
    try:
        with storage_errors(database), filelock.FileLock(database.with_name(f"{database.name}.lock"), timeout=MAKING_SECONDS):
            if begun.exists():
                for end in ("", "-journal", "-wal", "-shm"):
                    database.with_name(database.name + end).unlink(missing_ok=True)
            if not database.is_file():
                begun.touch()
            yield
            begun.unlink(missing_ok=True)
    except filelock.Timeout as error:
        raise BusyError(
            f"{database}: expected its tables to be made, found another process at it for {MAKING_SECONDS:g} s; try again later"
        ) from error


def has_store(workspace: str) -> bool:
    """Whether there is anything to ask: a URI that is set, or a database in the workspace."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (Path(workspace) / DATABASE).is_file()


def find_experiment(client: Any, name: str, workspace: str) -> str:
    """Id of an experiment, made if it is not there. Raises InputError if it was deleted."""
    with service_errors(f"open experiment '{name}'"):
        found = client.get_experiment_by_name(name)
        if found is None:
            remote = str(client.tracking_uri).startswith(("http:", "https:"))
            place = None if remote else f"{Path(workspace).resolve()}/mlartifacts"
            return str(client.create_experiment(name, artifact_location=place))
    if found.lifecycle_stage == "deleted":
        raise InputError(
            f"registration.experiment: '{name}' was deleted in MLflow; restore it with 'mlflow experiments restore "
            f"--experiment-id {found.experiment_id}', or choose another name"
        )
    return str(found.experiment_id)


# ---- runs ----------------------------------------------------------------------------------------------------------------


def start_run(client: Any, experiment_id: str, *, name: str, run_key: str) -> str:
    """Id of the run with this key: the one that an earlier attempt began, or a new one."""
    with service_errors("start a run"):
        found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{run_key}'", order_by=["attributes.start_time ASC"])
        run = found[0] if found else client.create_run(experiment_id, run_name=name, tags={KEY_TAG: run_key})
        return str(run.info.run_id)


def log_run(client: Any, run_id: str, contents: RunContents) -> None:
    """Log everything; doing it twice leaves what doing it once does."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    with service_errors("log the run"):
        run = client.get_run(run_id)
        when = run.info.start_time  # the same time at each attempt: a value logged again is then the same row
        params = [Param(key, value) for key, value in contents.params.items() if key not in run.data.params]
        points = [Metric(point.name, point.value, when, point.step) for point in contents.points]
        for start in range(0, max(len(params), len(points)), BATCH):
            client.log_batch(run_id, metrics=points[start : start + BATCH], params=params[start : start + BATCH])
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in contents.tags.items()])
        for line in contents.lineage:
            dataset = Dataset(line.name, line.digest, "dvc", line.source, profile=line.profile)
            client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", line.context)])])
        for name, record in contents.records.items():
            client.log_text(run_id, record.model_dump_json(indent=2) + "\n", f"records/{name}.json")


def find_tagged(client: Any, tag: str, *, newest: int, except_key: str) -> tuple[str, ...]:
    """Values of a tag over the runs of all experiments that bear it, oldest run first; without the run of ``except_key``.

    Runs and experiments that were deleted take no part.
    """
    found: list[Any] = []
    with service_errors("search its runs"):
        experiments = _all_pages(client.search_experiments)
        ids = [experiment.experiment_id for experiment in experiments]
        token = None
        while ids and len(found) <= newest:
            page = client.search_runs(ids, f"tags.`{tag}` != ''", order_by=["attributes.start_time DESC"], page_token=token)
            found += [run for run in page if run.data.tags.get(KEY_TAG) != except_key]
            token = page.token
            if not token:
                break
    found = sorted(found[:newest], key=lambda run: (run.info.start_time, run.info.run_id))
    return tuple(run.data.tags[tag] for run in found)


def _all_pages(search: Callable[..., Any]) -> list[Any]:
    page = search()
    found = list(page)
    while page.token:
        page = search(page_token=page.token)
        found += page
    return found


def end_run(client: Any, run_id: str, *, done: bool) -> None:
    """Close a run as finished, or as failed."""
    with service_errors("close the run"):
        client.set_terminated(run_id, "FINISHED" if done else "FAILED")


def read_record(client: Any, run_id: str, name: str) -> str | None:
    """JSON of a record that ``log_run`` kept with a run; None if the run or the record is gone."""
    from mlflow.exceptions import MlflowException

    with service_errors(f"read the {name} of run {run_id}"), tempfile.TemporaryDirectory() as temporary:
        try:
            kept = {file.path for file in client.list_artifacts(run_id, "records")}
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        wanted = f"records/{name}.json"
        return Path(client.download_artifacts(run_id, wanted, temporary)).read_text(encoding="utf-8") if wanted in kept else None


def log_report(run_id: str, path: Path, *, workspace: str, folder: str = "report") -> None:
    """Keep a file with a run, in the artifact folder ``folder``. Raises InputError if it is not there."""
    if not path.is_file():
        raise InputError(f"{path}: expected a report, found nothing; run 'rootstock run' again")
    client = tracking(workspace)
    with service_errors("keep the report"):
        client.log_artifact(run_id, str(path), folder)


# ---- models --------------------------------------------------------------------------------------------------------------


def upload_model(client: Any, model_folder: Path, *, experiment_id: str, run_id: str, name: str, run_key: str) -> str:
    """Id of MLflow's logged model with this key, uploaded and ready: an earlier attempt's is taken up where it was left."""
    with service_errors("upload the model"):
        query = f"tags.`{KEY_TAG}` = '{run_key}' AND source_run_id = '{run_id}'"
        found = client.search_logged_models([experiment_id], query)
        model = found[0] if found else client.create_logged_model(experiment_id, name, run_id, tags={KEY_TAG: run_key})
        if str(model.status) != "READY":
            with tempfile.TemporaryDirectory(dir=model_folder.parent) as temporary:
                staged = Path(temporary) / "mlflow"
                _save_pyfunc(model_folder, staged, model_id=model.model_id, run_id=run_id)
                client.log_model_artifacts(model.model_id, str(staged))
            client.finalize_logged_model(model.model_id, "READY")
        return str(model.model_id)


def discard_model(client: Any, model_id: str) -> None:
    """Delete a logged model that must not be registered."""
    with service_errors("delete a model"):
        client.delete_logged_model(model_id)


def _save_pyfunc(model_folder: Path, staged: Path, *, model_id: str, run_id: str) -> None:
    import mlflow.pyfunc
    from mlflow.models import Model

    script = staged.parent / "pyfunc_model.py"
    script.write_text(SCRIPT, encoding="utf-8")
    named = staged.parent / "model"  # MLflow keeps an artifact under its folder's own name
    shutil.copytree(model_folder, named)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it wants an input example and a schema; a schema would refuse a plain list of texts
        mlflow.pyfunc.save_model(
            str(staged),
            python_model=str(script),
            artifacts={"model": str(named)},
            pip_requirements=[f"{DISTRIBUTION}=={__version__}", *(f"{name}=={metadata.version(name)}" for name in PINNED)],
            mlflow_model=Model(model_id=model_id, run_id=run_id),
        )


def serve() -> None:
    """Called by the script inside a registered model: hands MLflow a ``ServedClassifier``."""
    import mlflow

    from rootstock.registration.served_classifier import ServedClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow wants type hints, which would fix one type of input
        mlflow.models.set_model(type("Served", (ServedClassifier, mlflow.pyfunc.PythonModel), {})())


def fetch_model(uri: str, folder: Path) -> Path:
    """Download the model folder of ``models:/NAME/VERSION`` or ``models:/MODEL_ID`` to ``folder``, and return ``folder``.

    Raises InputError if what lies there is no model of Rootstock's.
    """
    import mlflow

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        with service_errors(f"download {uri}"):
            found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=temporary)) / MODEL_PATH
        if not found.is_dir():
            raise InputError(
                f"{uri}: expected the files of a model that Rootstock registered, found no {MODEL_PATH} where MLflow keeps them; "
                "restore them, or put another version to work with 'rootstock promote'"
            )
        with new_folder(folder) as target:
            shutil.copytree(found, target, dirs_exist_ok=True)
    return folder


# ---- versions and aliases ------------------------------------------------------------------------------------------------


def find_model(client: Any, model: str) -> RegisteredModel | None:
    """Aliases and tags of a model; None where it is not registered yet. A service that fails raises ServiceError instead."""
    from mlflow.exceptions import MlflowException

    with service_errors(f"read model '{model}'"):
        try:
            found = client.get_registered_model(model)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return RegisteredModel({alias: str(version) for alias, version in found.aliases.items()}, dict(found.tags))


def find_aliases(client: Any, model: str) -> dict[str, str]:
    """Alias -> version; empty where the model is not registered yet."""
    found = find_model(client, model)
    return dict(found.aliases) if found is not None else {}


def has_version(client: Any, model: str, version: str) -> bool:
    """Whether there is such a version."""
    from mlflow.exceptions import MlflowException

    with service_errors(f"read version {version} of '{model}'"):
        try:
            client.get_model_version(model, version)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise
        return True


def find_versions(client: Any, model: str, run_key: str | None = None) -> tuple[Version, ...]:
    """Versions, oldest first: all, or those with this run key."""
    query = f"name = '{model}'" + (f" AND tag.`{KEY_TAG}` = '{run_key}'" if run_key is not None else "")
    aliases = find_aliases(client, model)
    with service_errors(f"list versions of '{model}'"):
        found = _all_pages(partial(client.search_model_versions, query))
    return tuple(_as_version(each, aliases) for each in sorted(found, key=lambda each: int(each.version)))


def _as_version(found: Any, aliases: Mapping[str, str]) -> Version:
    number = str(found.version)  # text over HTTP, a whole number from SQLite
    held = tuple(sorted(alias for alias, version in aliases.items() if version == number))
    return Version(number, found.run_id or "", found.creation_timestamp / 1000, dict(found.tags), held)


def create_version(client: Any, model: str, *, model_id: str, run_id: str, tags: Mapping[str, str]) -> str:
    """A new version of ``model``, which is made if it is not there; all tags, the run key among them, are there from the start."""
    from mlflow.exceptions import MlflowException

    with service_errors(f"register a version of '{model}'"):
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        # A server refuses the source without ``model_id``; SQLite takes it either way.
        made = client.create_model_version(model, f"models:/{model_id}", run_id=run_id, tags=dict(tags), model_id=model_id)
        return str(made.version)


def set_alias(client: Any, model: str, alias: str, version: str | None) -> None:
    """Point an alias at a version, or take it away with None."""
    with service_errors(f"move alias '{alias}' of '{model}'"):
        if version is None:
            client.delete_registered_model_alias(model, alias)
        else:
            client.set_registered_model_alias(model, alias, version)


def tag_version(client: Any, model: str, version: str, tags: Mapping[str, str]) -> None:
    """Add tags to a version."""
    with service_errors(f"tag version {version} of '{model}'"):
        for key, value in tags.items():
            client.set_model_version_tag(model, version, key, value)


def tag_model(client: Any, model: str, tags: Mapping[str, str]) -> None:
    """Add tags to a registered model."""
    with service_errors(f"tag model '{model}'"):
        for key, value in tags.items():
            client.set_registered_model_tag(model, key, value)
