"""What a run would find: versions, opt-outs, data registry, backbone, servers, disk, and what a killed run left.

Nothing is changed, started or sent; only an ``http`` server that the environment names is asked for its health.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rootstock.errors import RootstockError
from rootstock.params import Params

#: The distributions whose newer versions break each other; the bounds stand in the package's own metadata.
DISTRIBUTION = "rootstock-mlops"
MAIN_PINS = ("dvc", "evidently", "fastapi", "great_expectations", "mlflow", "pandas", "peft", "prefect", "torch", "transformers")
FREE_GIB = 2.0
TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    subject: str
    fine: bool
    found: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def examine(params: Params) -> tuple[Finding, ...]:
    """Look at everything in turn; one fault hides no other."""
    looks: tuple[Callable[[Params], Finding], ...] = (
        versions, opt_outs, data_registry, backbone, prefect_server, work_pool, training_processes, mlflow_server, disk, leftovers,
    )  # fmt: skip
    return tuple(look(params) for look in looks)


def versions(params: Params) -> Finding:
    """Installed versions against the bounds that are known to work together."""
    from packaging.requirements import Requirement

    try:
        required = map(Requirement, importlib.metadata.requires(DISTRIBUTION) or ())
    except importlib.metadata.PackageNotFoundError:
        return Finding("versions", False, f"{DISTRIBUTION} is not installed as a package; 'pip install -e .' installs it")
    bounds = {requirement.name: requirement.specifier for requirement in required if requirement.name in MAIN_PINS}
    found = {name: importlib.metadata.version(name) for name in bounds}
    wrong = [f"{name} {found[name]}, expected {bounds[name]}" for name in bounds if not bounds[name].contains(found[name])]
    if wrong:
        return Finding("versions", False, f"{'; '.join(wrong)}; install requirements.lock again")
    return Finding("versions", True, ", ".join(f"{name} {version}" for name, version in sorted(found.items())))


def opt_outs(params: Params) -> Finding:
    """Telemetry is off unless someone switched it on on purpose."""
    from rootstock_flows.environment import PRIVACY

    on = [f"{name}={os.environ.get(name)}" for name, value in PRIVACY.items() if os.environ.get(name, "").lower() != value]
    if on:
        return Finding("telemetry", False, f"not switched off: {', '.join(on)}; unset it, Rootstock sets it itself")
    return Finding("telemetry", True, f"off in every tool ({', '.join(PRIVACY)})")


def data_registry(params: Params) -> Finding:
    """The registry holds the datasets that the task names, and nothing half-done."""
    from rootstock.data.registry import list_versions

    path = Path(params.data.registry)
    try:
        known = list_versions(path)
    except RootstockError as error:
        return Finding("data", False, str(error))
    missing = [name for name in (params.data.target, *params.data.sources) if name not in known]
    if missing:
        return Finding("data", False, f"{path} lacks {', '.join(missing)}; 'rootstock data add {missing[0]} PATH' adds it")
    if changed := _uncommitted(path):
        return Finding("data", False, f"{path} has uncommitted changes ({changed}); 'git -C {path} status' shows them")
    counted = ", ".join(f"{name} ({len(versions)})" for name, versions in sorted(known.items()))
    return Finding("data", True, f"{path} is clean; datasets and versions: {counted}")


def _uncommitted(path: Path) -> str:
    import subprocess

    done = subprocess.run(["git", "-C", str(path), "status", "--porcelain"], capture_output=True, text=True, check=False)
    return ", ".join(line[3:] for line in done.stdout.splitlines()[:5]) or done.stderr.strip()


def backbone(params: Params) -> Finding:
    """The backbone is there, in a format that is read, under this content hash."""
    from rootstock.backbone import content_hash, locate

    name = params.backbone.name
    local = name.startswith((".", "/", "~", "package:")) or Path(name).is_dir()
    if not local:
        return Finding("backbone", True, f"{name} is a name on the Hugging Face hub: the first run fetches it")
    try:
        folder = locate(name)
    except RootstockError as error:
        return Finding("backbone", False, str(error))
    return Finding("backbone", True, f"{name} with sha256 {content_hash(folder)[:12]}")


def prefect_server(params: Params) -> Finding:
    """Embedded, or the server that ``PREFECT_API_URL`` names."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return Finding("prefect", True, f"embedded, under {os.environ.get('PREFECT_HOME', params.workspace)}")
    return _asked("prefect", url, f"{url.rstrip('/')}/health")


def work_pool(params: Params) -> Finding:
    """Where the stages that train run; a work pool is there, takes runs, and has a worker."""
    pool = params.compute.finetuning.work_pool
    if pool is None:
        return Finding("training", True, "in the flow's own process")
    import httpx

    from rootstock_flows.work_pool import workers_of

    try:
        names = workers_of(pool)
    except RootstockError as error:
        return Finding("training", False, str(error))
    except httpx.HTTPError as error:
        return Finding("training", False, f"on work pool {pool}, whose server does not answer ({type(error).__name__})")
    return Finding("training", True, f"on work pool {pool}; workers online: {', '.join(names) or 'any'}")


def training_processes(params: Params) -> Finding:
    """How many processes train together, and whether this machine has as many GPUs, if it has any."""
    count, pool = params.compute.finetuning.processes, params.compute.finetuning.work_pool
    if count == 1 or pool is not None:
        return Finding("processes", True, "one trains" if count == 1 else f"{count} train together, on a worker's machine")
    from rootstock_flows import in_processes

    try:
        in_processes.require_gpus(count)
    except RootstockError as error:
        return Finding("processes", False, str(error))
    return Finding("processes", True, f"{count} train together, {'a GPU each' if in_processes.gpus_here() else 'on the CPU'}")


def mlflow_server(params: Params) -> Finding:
    """Embedded, or the server or database that ``MLFLOW_TRACKING_URI`` names."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        return Finding("mlflow", True, f"embedded, SQLite under {params.workspace}")
    if not uri.startswith("http"):
        return Finding("mlflow", True, uri.partition("://")[0] + " database named by MLFLOW_TRACKING_URI")
    return _asked("mlflow", uri, f"{uri.rstrip('/')}/health")


def _asked(subject: str, url: str, health: str) -> Finding:
    import httpx

    try:
        shown = str(httpx.URL(url).copy_with(username=None, password=None))
        answer = httpx.get(health, timeout=TIMEOUT_SECONDS)
    except httpx.InvalidURL:  # what it says may hold a password
        return Finding(subject, False, "expected the URL of a server, found one that cannot be read; mend it or unset it")
    except httpx.HTTPError as error:
        return Finding(subject, False, f"server {shown} does not answer ({type(error).__name__}); start it or unset its URL")
    return Finding(subject, answer.is_success, f"server {shown} answers {answer.status_code}")


def disk(params: Params) -> Finding:
    """Room for a run's models and features."""
    place = Path(params.workspace).resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    found = f"{free:.1f} GiB free for {params.workspace}"
    return Finding("disk", free >= FREE_GIB, found if free >= FREE_GIB else f"{found}, expected {FREE_GIB:g}; free some space")


def leftovers(params: Params) -> Finding:
    """Embedded servers whose run was killed; the next run ends them."""
    from rootstock_flows.server import orphans

    ids = [str(process.pid) for process in orphans()]
    return Finding(
        "leftovers", True, f"embedded server of a killed run, process {', '.join(ids)}; the next run ends it" if ids else "none"
    )
