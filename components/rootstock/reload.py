"""Ask the model that ships, as it ships: its own loader, in a process of its own (``python -m rootstock.reload``).

The process imports nothing of Rootstock that reads a model. What it answers, how fast and with how much memory is what others get.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.errors import Refusal
from rootstock.peak_memory import peak_mib

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOADER_FILE = "load.py"
#: The reloaded model must need nothing from the network, and its libraries nothing from the terminal.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore",
}
#: Rows asked one by one for their time, after some that are not timed: the first calls allocate.
TIMED_ROWS = 60
WARM_UP_ROWS = 3


@dataclass(frozen=True)
class Reloaded:
    """What a model folder answered in a process of its own."""

    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    """(n, c)"""
    milliseconds: NDArray[np.float64]
    """of up to 60 rows asked one by one, reading included"""
    peak_mib: float
    """of the whole process, its libraries included"""


def loader_source() -> str:
    """Text of the loader that is put beside every model."""
    return (Path(__file__).parent / "registration" / "standalone.py").read_text(encoding="utf-8")


def reload_model(folder: Path, inputs: Sequence[Any]) -> Reloaded:
    """Answers of the model folder to n >= 1 inputs, by the loader in it.

    Raises Refusal with the reason if it cannot be loaded or does not answer.
    """
    import numpy as np

    with tempfile.TemporaryDirectory() as temporary:
        given, answers = Path(temporary) / "inputs.json", Path(temporary) / "answers.npz"
        write_inputs(inputs, given)
        # -P: nothing in the working directory takes the place of a library. -B: no bytecode is left beside the loader.
        command = [sys.executable, "-P", "-B", "-m", "rootstock.reload", str(folder), str(given), str(answers)]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, **ENVIRONMENT}, check=False
        )
        if done.returncode != 0 or not answers.is_file():
            said = done.stdout.strip()[:400] or f"the process ended with {done.returncode}"
            raise Refusal(f"{folder}: expected a model that answers in a new process, found that it does not: {said}")
        with np.load(answers) as found:
            return Reloaded(
                tuple(map(str, found["labels"])), found["probabilities"], found["milliseconds"], float(found["peak_mib"])
            )


def write_inputs(inputs: Sequence[Any], path: Path) -> None:
    """Texts, or the bytes of images, as JSON."""
    kept = [{"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value for value in inputs]
    path.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def read_inputs(path: Path) -> list[Any]:
    """What ``write_inputs`` wrote."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    return [base64.b64decode(value["base64"]) if isinstance(value, dict) else value for value in kept]


def load_shipped(folder: Path) -> Any:
    """The model, by the loader in its own folder."""
    name = "shipped_loader"
    spec = importlib.util.spec_from_file_location(name, folder / LOADER_FILE)
    if spec is None or spec.loader is None or not (folder / LOADER_FILE).is_file():
        raise FileNotFoundError(f"{folder / LOADER_FILE} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module.load(folder)


def answer(model: Any, inputs: list[Any]) -> dict[str, Any]:
    """Probabilities of all rows (n, c), the milliseconds of some asked alone, and the most memory this process took."""
    import numpy as np

    probabilities = model.probabilities(inputs)
    picked = np.unique(np.linspace(0, len(inputs) - 1, TIMED_ROWS).astype(int))
    for row in picked[:WARM_UP_ROWS]:
        model.probabilities([inputs[row]])
    milliseconds = []
    for row in picked:
        started = time.perf_counter()
        model.probabilities([inputs[row]])
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {"probabilities": probabilities, "milliseconds": np.array(milliseconds), "peak_mib": peak_mib()}


def answer_as_asked(module: str, answer: Callable[[Any, list[Any]], dict[str, Any]]) -> None:
    """Main program of ``python -m MODULE FOLDER INPUTS ANSWERS``: write what ``answer`` says of the inputs, as NumPy's .npz.

    Exits with 1 and the reason on standard output if the model in FOLDER cannot be loaded or does not answer.
    """
    import numpy as np

    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    for name in ("folder", "inputs", "answers"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    try:
        model = load_shipped(given.folder)
        found = answer(model, read_inputs(given.inputs))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except SystemExit as error:  # how the loader says what is wrong
        print(error)
        raise SystemExit(1) from None
    except Exception as error:  # whatever a broken file makes a library raise is the answer
        print(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None
    np.savez(given.answers, labels=np.array(model.labels, dtype=str), **found)


if __name__ == "__main__":
    answer_as_asked("rootstock.reload", answer)
