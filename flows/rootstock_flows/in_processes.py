"""A stage in several processes of this machine that train together: started by ``accelerate launch``, and ended with this one.

A folder below the workspace holds ``job.json``, the records that the stage reads, what went wrong in a process
(``error-RANK.json``), and what all but the first one write; it is gone when the stage ends. No process outlives this one, however
it ends: each waits for the end of its standard input, a pipe of which this process holds the other side. Their standard error is a
pipe, too, which is at its end when the last of them is gone.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rootstock import errors
from rootstock.errors import ParamsError, RootstockError, ServiceError
from rootstock.files import write_text
from rootstock.finetuning.checkpoint import Stop
from rootstock.installation import threads
from rootstock.params import Params
from rootstock.records import Record
from rootstock.records.base import Value
from rootstock.stages import BY_HAND, Stage, run_stage

from rootstock_flows.session import say

KEY = "compute.finetuning.processes"
#: The stages that train, in order.
TRAINING_STAGES = ("select", "tune", "finetune", "ladder")
JOB_FILE = "job.json"
STDERR = 2
#: A launcher that was told to stop gives its processes 30 s to end by themselves.
STOP_SECONDS, END_SECONDS, POLL_SECONDS = 60.0, 30.0, 0.1
DEATH = re.compile(r"exitcode: (-?\d+)\) local_rank: (\d+)")
AGAIN = "run the same command again, it goes on where it stopped"


class ProcessesJob(Value):
    """What each of the processes is told."""

    stage: str
    folder: str
    """where the first one writes the stage's result"""
    params: dict[str, Any]
    run_key: str
    trigger: str


class Fault(Value):
    """An error that ended a process."""

    kind: str
    """of the error"""
    message: str
    traceback: str
    seconds: float
    """since the epoch"""


def run_stage_as_asked(
    stage: Stage, inputs: Mapping[type[Record], Record], *, params: Params, folder: Path, run_key: str, trigger: str = BY_HAND
) -> Record:
    """``run_stage``, for a stage that trains in ``compute.finetuning.processes`` processes.

    Raises ParamsError where the machine has GPUs, but fewer than that; what a process raised; and ServiceError if one was killed.
    """
    count = params.compute.finetuning.processes
    if count == 1 or stage.name not in TRAINING_STAGES:
        return run_stage(stage, inputs, params=params, folder=folder, run_key=run_key, trigger=trigger)
    require_gpus(count)
    job = ProcessesJob(
        stage=stage.name, folder=folder.as_posix(), params=params.model_dump(mode="json"), run_key=run_key, trigger=trigger
    )
    work = Path(params.workspace) / "processes" / f"{stage.name}-{folder.name}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        for kind in stage.inputs:
            inputs[kind].save(work / "inputs" / kind.__name__)
        write_text(work / JOB_FILE, job.model_dump_json() + "\n")
        _train_together(stage.name, work, count)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return stage.output.load(folder)


def gpus_here() -> int:
    """GPUs that torch sees on this machine."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def require_gpus(count: int) -> None:
    """Raise ParamsError on a machine with GPUs that has fewer than ``count``."""
    found = gpus_here()
    if 0 < found < count:
        raise ParamsError(
            f"{KEY}: expected at most {found}, the number of GPUs of this machine, found {count}; lower it, or name a work pool "
            "with more in compute.finetuning.work_pool"
        )


def _train_together(name: str, work: Path, count: int) -> None:
    stop = Stop()
    with stop.listening(wanted=True):
        with _launched(work, count) as (launcher, said):
            while not stop.asked:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    launcher.wait(POLL_SECONDS)
                    break
        if launcher.returncode != 0 and not stop.asked:
            raise _failure(name, work, count, said="".join(said))


@contextlib.contextmanager
def _launched(work: Path, count: int) -> Iterator[tuple[subprocess.Popen[str], collections.deque[str]]]:
    """The launcher, and the last lines of what it and its processes said; all of them are gone after the block."""
    said: collections.deque[str] = collections.deque(maxlen=200)
    with subprocess.Popen(
        [*launch_command(count, threads=_threads(count)), "--module", "rootstock_flows.member", work.as_posix()], text=True,
        env=os.environ | {"PYTHONSAFEPATH": "1"}, stdin=subprocess.PIPE, stdout=STDERR, stderr=subprocess.PIPE, errors="replace",
        start_new_session=True,
    ) as launcher:  # fmt: skip
        listener = threading.Thread(target=said.extend, args=(launcher.stderr,), name="processes", daemon=True)
        listener.start()
        try:
            yield launcher, said
        finally:
            launcher.terminate()
            try:
                launcher.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                launcher.kill()
            if launcher.stdin is not None:
                launcher.stdin.close()
            listener.join(END_SECONDS)


def launch_command(count: int, *, threads: int) -> list[str]:
    """What starts so many processes of the Python script, or ``--module``, that is named behind it.

    ``--multi_gpu`` starts them where there is no GPU as well: with ``--cpu`` accelerate starts several only through MPI. The other
    options keep a user's own configuration of accelerate out of it.
    """
    return [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(count), "--num_machines", "1",
        "--machine_rank", "0", "--gpu_ids", "all", "--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--num_cpu_threads_per_process", str(threads),
    ]  # fmt: skip


def _threads(count: int) -> int:
    """This process's threads, shared out."""
    return max(1, threads() // count)


def _failure(name: str, work: Path, count: int, *, said: str) -> RootstockError:
    """Rootstock's own error as it was raised, or what else ended the first process that failed."""
    faults = sorted(
        (Fault.model_validate_json(path.read_text(encoding="utf-8")) for path in work.glob("error-*.json")),
        key=lambda fault: (_own(fault) is None, fault.seconds),
    )
    if faults:
        own = _own(faults[0])
        if own is not None:
            return own
        say(faults[0].traceback)
        return ServiceError(f"{name} in {count} processes ended by {faults[0].kind}: {faults[0].message}; {AGAIN}")
    if (death := DEATH.search(said)) is not None:
        code, rank = int(death[1]), int(death[2])
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ServiceError(f"{name}: process {rank + 1} of {count} {how}; {AGAIN}")
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "nothing was said")
    return ServiceError(f"{name} in {count} processes: they could not be started, or their launcher was killed ({last}); {AGAIN}")


def _own(fault: Fault) -> RootstockError | None:
    kind = getattr(errors, fault.kind, None)
    return kind(fault.message) if isinstance(kind, type) and issubclass(kind, RootstockError) else None
