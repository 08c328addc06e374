"""Score candidates side by side, as mapped Prefect tasks, before the stage that ranks them.

What is scored is kept in the workspace by content, so ``rank`` then finds everything done; without this it does the same by itself,
one candidate after another. Data sets are embedded first, once a backbone: the cost grows with backbones, not with candidates.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner
from rootstock.errors import InputError, ParamsError
from rootstock.files import write_text
from rootstock.params import FlowParams, Params, parse_params
from rootstock.records import Incumbent, PreparedData, Record, ValidationReport
from rootstock.similarity.candidates import CandidateSpec, list_candidates
from rootstock.similarity.score import embed_dataset, score_candidate

from rootstock_flows.embeddings import Embedding, Scoring, embedding_mark, embeddings_wanted
from rootstock_flows.session import clean_output

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

#: Runner -> the package of Prefect's that brings it; an extra of the same name installs it.
EXTRAS = {"dask": "prefect_dask", "ray": "prefect_ray"}
#: Records that candidates are scored from.
READ: tuple[type[Record], ...] = (PreparedData, ValidationReport, Incumbent)
LOCAL_ONLY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0"}


def require_runner(flow: FlowParams) -> None:
    """Raise ParamsError, saying what to install, if the task runner of the params is not there."""
    package = EXTRAS.get(flow.task_runner)
    if package is not None and importlib.util.find_spec(package) is None:
        raise ParamsError(
            f"flow.task_runner: {flow.task_runner} needs the package {package.replace('_', '-')}, found none; install it with "
            f"pip install 'rootstock-mlops[{flow.task_runner}]', or set flow.task_runner=thread"
        )


def task_runner(flow: FlowParams) -> TaskRunner[Any]:
    """Prefect's runner with ``flow.workers`` workers: threads of this process, or processes of a cluster on this machine.

    Raises ParamsError if its package is not installed.
    """
    require_runner(flow)
    if flow.task_runner == "dask":
        from prefect_dask import DaskTaskRunner

        one_thread_each = {"n_workers": flow.workers, "threads_per_worker": 1, "dashboard_address": None}
        dask: TaskRunner[Any] = DaskTaskRunner(cluster_kwargs=one_thread_each)
        return dask
    if flow.task_runner == "ray":
        from prefect_ray import RayTaskRunner

        ray: TaskRunner[Any] = RayTaskRunner(init_kwargs={"num_cpus": flow.workers, "include_dashboard": False})
        return ray
    return ThreadPoolTaskRunner(max_workers=flow.workers)


def score_side_by_side(folders: dict[str, str], params: Params) -> Scoring:
    """Embed what is not kept yet, then score every candidate, from the records in ``folders`` (type name -> folder)."""
    started = time.perf_counter()
    for name, value in LOCAL_ONLY.items():
        os.environ.setdefault(name, value)
    threads = max(1, _load_libraries() // params.flow.workers)
    job = {
        "project": str(Path.cwd()), "process": os.getpid(), "threads": threads,
        "params": params.model_dump(mode="json"), "folders": {kind.__name__: folders[kind.__name__] for kind in READ},
    }  # fmt: skip
    prepared, validation, incumbent = _records(job)
    specs = list_candidates(
        prepared, validation, incumbent, modality=params.data.modality, backbone=params.backbone, similarity=params.similarity
    )
    pairs = embeddings_wanted(specs, prepared)
    fan_out = _score_candidates.with_options(task_runner=task_runner(params.flow))
    with _threads_limited(threads), _server_within_reach(params.flow):
        done = fan_out([spec.model_dump(mode="json") for spec in specs], [list(pair) for pair in pairs], job)
    seconds = time.perf_counter() - started
    return Scoring(
        task_runner=params.flow.task_runner,
        workers=params.flow.workers,
        candidates=len(specs),
        embeddings=tuple(Embedding.model_validate(each) for each in done["embedded"] if each),
        embedding_seconds=done["embedding_seconds"],
        scoring_seconds=round(seconds - done["embedding_seconds"], 3),
        seconds=round(seconds, 3),
    )


@flow(name="rootstock-score", flow_run_name="score candidates side by side", validate_parameters=False, log_prints=False)
def _score_candidates(specs: list[dict[str, Any]], pairs: list[list[str]], job: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    embedded = embed_one.map([name for name, _ in pairs], [dataset for _, dataset in pairs], job=unmapped(job)).result()
    seconds = round(time.perf_counter() - started, 3)
    score_one.map(specs, job=unmapped(job)).result()
    return {"embedded": list(embedded), "embedding_seconds": seconds}


@task(task_run_name="embed {dataset}", cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def embed_one(name: str, dataset: str, job: dict[str, Any]) -> dict[str, Any]:
    """Embed a data set with the backbone ``name``; empty where that had been done, or cannot be."""
    params = _enter(job)
    prepared, _, _ = _records(job)
    data = next(each for each in (prepared.target, *prepared.sources) if each.name == dataset)
    started = time.perf_counter()
    with contextlib.suppress(InputError):  # scoring meets the same, and says which candidates it bars
        mark = embedding_mark(name, data.splits["train"].sha256, params)
        if mark.is_file():
            return {}
        with clean_output():
            rows = embed_dataset(name, data, data=params.data, backbone=params.backbone, workspace=params.workspace)
        found = Embedding(
            backbone=name, dataset=dataset, rows=len(rows.labels), seconds=round(time.perf_counter() - started, 3)
        )  # fmt: skip
        write_text(mark, found.model_dump_json(indent=1) + "\n")
        return found.model_dump(mode="json")
    return {}


@task(task_run_name="score {spec[name]}", cache_policy=NO_CACHE, persist_result=False, log_prints=False)
def score_one(spec: dict[str, Any], job: dict[str, Any]) -> None:
    """Score a candidate; its scores lie in the workspace then."""
    params = _enter(job)
    prepared, _, incumbent = _records(job)
    with clean_output():
        score_candidate(
            CandidateSpec.model_validate(spec), prepared, incumbent, data=params.data, backbone=params.backbone,
            similarity=params.similarity, workspace=params.workspace, seed=params.seed,
        )  # fmt: skip


def _records(job: dict[str, Any]) -> tuple[PreparedData, ValidationReport, Incumbent]:
    folders = {name: Path(folder) for name, folder in job["folders"].items()}
    return (
        PreparedData.load(folders["PreparedData"]),
        ValidationReport.load(folders["ValidationReport"]),
        Incumbent.load(folders["Incumbent"]),
    )


def _enter(job: dict[str, Any]) -> Params:
    """The params. A worker process goes to the project's folder first, and keeps to its share of the cores from then on."""
    if os.getpid() != job["process"]:
        import torch
        from threadpoolctl import threadpool_limits

        os.chdir(job["project"])
        torch.set_num_threads(job["threads"])
        threadpool_limits(job["threads"])
    return parse_params(job["params"], "params.yaml")


def _load_libraries() -> int:
    """Import what the tasks compute with, as threads that import transformers' lazy modules at once find half of them.

    Gives the number of threads that torch uses.
    """
    for module in ("peft", "scipy.stats", "sklearn.linear_model"):
        importlib.import_module(module)
    transformers = importlib.import_module("transformers")
    for name in ("AutoConfig", "AutoImageProcessor", "AutoModel", "AutoModelForTextEncoding", "AutoTokenizer"):
        getattr(transformers, name)
    import torch

    return torch.get_num_threads()


@contextlib.contextmanager
def _threads_limited(threads: int) -> Iterator[None]:
    """Threads of libraries, for the pool's threads that compute at the same time; as it was afterwards."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _server_within_reach(flow: FlowParams) -> Iterator[None]:
    """Tell worker processes the address of an embedded server: each would start one of its own otherwise."""
    if flow.task_runner == "thread" or PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer

    with temporary_settings({PREFECT_API_URL: SubprocessASGIServer().api_url}):
        yield
