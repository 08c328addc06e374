"""One of the processes that ``in_processes`` starts: ``python -m rootstock_flows.member FOLDER`` under ``accelerate launch``."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path

from rootstock import processes
from rootstock.files import write_text
from rootstock.params import parse_params
from rootstock.records import Record
from rootstock.stages import find_stage, run_stage

from rootstock_flows.environment import opt_out
from rootstock_flows.in_processes import JOB_FILE, Fault, ProcessesJob
from rootstock_flows.session import clean_output

STDIN, STDOUT, STDERR = 0, 1, 2


def main() -> None:
    """Run the job's stage with the others; an error is written beside the job."""
    work, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    _let_speak(rank)
    try:
        _run(work, rank)
    except Exception as error:
        fault = Fault(kind=type(error).__name__, message=str(error), traceback=traceback.format_exc(), seconds=time.time())
        write_text(work / f"error-{rank}.json", fault.model_dump_json() + "\n")
        os._exit(1)  # the others may be waiting for this one: nothing here should wait for them


def _run(work: Path, rank: int) -> None:
    job = ProcessesJob.model_validate_json((work / JOB_FILE).read_text(encoding="utf-8"))
    stage, folder = find_stage(job.stage), Path(job.folder)
    opt_out()
    with clean_output():
        processes.join()
        inputs: dict[type[Record], Record] = {kind: kind.load(work / "inputs" / kind.__name__) for kind in stage.inputs}
        run_stage(
            stage, inputs, params=parse_params(job.params, "params.yaml"), run_key=job.run_key, trigger=job.trigger,
            folder=folder if rank == 0 else work / f"rank-{rank}" / folder.name,
        )  # fmt: skip
        processes.leave()


def _end_with_parent() -> None:
    """Nobody else would be left to end this process."""
    while os.read(STDIN, 1):
        continue
    os._exit(1)


def _let_speak(rank: int) -> None:
    """The launcher's standard output is the terminal: standard error of the first. All else is kept for when something fails."""
    terminal = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    if rank == 0:
        os.dup2(terminal, STDERR)
    os.close(terminal)


if __name__ == "__main__":
    main()
