"""A task small enough to run whole in seconds: a made-up language, a random one-layer BERT, two classes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TASK = "harbour"
COMMAND = (sys.executable, "-c", "from rootstock_flows.cli import main; main()")
#: A loaded machine may need a minute where a quiet one needs ten seconds.
TIMEOUT = 240

SHIP = ["anchor", "deck", "hull", "keel", "mast", "rudder", "sail", "tide", "wharf", "buoy", "helm", "rope"]
BREAD = ["baker", "crust", "dough", "flour", "oven", "rye", "salt", "sesame", "starter", "wheat", "yeast", "loaf"]
FILLER = "again before could day every few going here later many never often people right said then under".split()  # noqa: SIM905
STRANGE = ["zinc", "404", "XQZ", "9917", "!!!", "KWARG", "0x3F", "%%", "ERR", "505"]


def texts(seed: int, words: list[str], rows: int) -> list[str]:
    """Sentences of ten words, half of them telling."""
    draw = random.Random(f"{seed} {words[0]}")
    return [" ".join(draw.sample(words, 5) + draw.sample(FILLER, 5)) for _ in range(rows)]


def write_rows(path: Path, seed: int, rows: int, labels: tuple[str, str] = ("ship", "bread")) -> Path:
    """A CSV file with ``rows`` rows of each class."""
    pairs = [(text, label) for label, words in zip(labels, (SHIP, BREAD), strict=True) for text in texts(seed, words, rows)]
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in pairs), encoding="utf-8")
    return path


def save_backbone(folder: Path) -> None:
    """A BERT of one layer and 16 dimensions with random weights, in the format of ``save_pretrained``."""
    import torch
    from transformers import BertConfig, BertModel

    folder.mkdir(parents=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({*SHIP, *BREAD, *FILLER})]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 32}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)


def small_params() -> dict[str, Any]:
    """The repository's params.yaml with names and sizes of the small task."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    small = {"epochs": 2, "rank": 2, "alpha": 4}
    lora = params["finetuning"]["source"] | small
    params["task"] = TASK
    params["data"] |= {"target": TASK, "sources": ["market", "letters"], "labelled_rows_per_class": None}
    params["data"]["modality"]["max_tokens"] = 16
    params["backbone"] |= {"name": "backbone"}
    params["similarity"] |= {"folds": 2, "repeats": 2}
    params["similarity"]["halving"] |= {"candidates": 2, "source_rows": 20, "method": lora | {"epochs": 1}}
    params["finetuning"] |= {
        "source": lora,
        "methods": [{"name": "linear_probe", "regularisations": [1.0, 10.0]}, lora | {"last_layers": None}],
        "folds": 2,
    }
    params["evaluation"]["scratch"]["epochs"] = 2
    params["gates"]["panel"] = [
        {"name": "floor", "measure": "accuracy", "at_least": 0.5},
        {"name": "against_champion", "claim": "non_inferiority", "measure": "accuracy", "margin": 0.4},
        {"name": "data", "max_learned_share": 0.02},
        {"name": "parity", "labels": 0.999, "tolerance": 1.0e-3},
    ]
    params["registration"] |= {"model": TASK, "experiment": TASK}
    params["monitoring"] |= {"window_rows": 40, "reference_rows": 60, "looks": 2}
    params["monitoring"]["tests"][2]["permutations"] = 2000
    return params


def shell_environment() -> dict[str, str]:
    """What a user's shell would hand over: nothing that points to a server, no network, one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW", "ROOTSTOCK", "PYTEST"))}
    return kept | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass(frozen=True)
class TaskFolder:
    """A project folder and the commands that run in it, each in a process of its own."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """settings beside those of the shell"""

    @property
    def workspace(self) -> Path:
        return self.folder / ".rootstock"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command in a session of its own."""
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=shell_environment() | dict(self.environment), text=True,
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=_hear_interrupts,
        )  # fmt: skip

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"rootstock {' '.join(arguments)} did not end in {TIMEOUT} s:\n{out}\n{err}") from None
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def answer(self, *arguments: str) -> Any:
        """The document that a command prints with ``--json``."""
        done = self.call(*arguments, "--json")
        assert done.returncode == 0, f"rootstock {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def here(self, *arguments: str) -> Any:
        """Like ``answer`` for a command that starts no server, in this process: the libraries are loaded once."""
        from click.testing import CliRunner
        from rootstock_flows.cli import command_line

        before, environment = Path.cwd(), dict(os.environ)
        os.chdir(self.folder)
        try:
            done = CliRunner().invoke(command_line, [*arguments, "--json"], catch_exceptions=False)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    def python(self, code: str, *arguments: str, said: str) -> str:
        """Standard output of a fresh Python process in the project folder."""
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=shell_environment(), text=True, input=said, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_until(self, is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        """Until something is so, while the process lives."""
        end = time.monotonic() + TIMEOUT
        while not is_so():
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"waited in vain, exit code {process.poll()}: {self.kill(process)}")
            time.sleep(0.002)

    def wait_for_stage(self, process: subprocess.Popen[str], name: str) -> None:
        """Until the stage has made its folder (or made it again) and not yet written its record."""
        began = time.time()

        def is_running() -> bool:
            folders = (self.workspace / "stages" / name).glob("*")
            return any(not (folder / "record.json").exists() and folder.stat().st_ctime >= began for folder in folders)

        self.wait_until(is_running, process)

    def kill(self, process: subprocess.Popen[str]) -> str:
        """SIGKILL the command's process alone, as the system's out-of-memory killer does."""
        process.send_signal(signal.SIGKILL)
        process.wait()
        # An embedded server outlives its parent and holds the pipes: what was said so far is not waited for.
        said = [""]
        for stream in (process.stdout, process.stderr):
            os.set_blocking(stream.fileno(), False)
            with contextlib.suppress(BlockingIOError):
                said.append(os.read(stream.fileno(), 1 << 20).decode())
            stream.close()
        return "".join(said)

    def processes(self) -> list[int]:
        """Ids of the processes that keep Prefect's files in this workspace."""
        import psutil

        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PREFECT_HOME") == str(self.workspace.resolve() / "prefect"):
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found


def make_task(folder: Path) -> TaskFolder:
    """A folder with the params, the backbone and the data in its registry."""
    task = TaskFolder(folder)
    save_backbone(folder / "backbone")
    (folder / "params.yaml").write_text(yaml.safe_dump(small_params(), sort_keys=False), encoding="utf-8")
    write_rows(folder / "target.csv", 1, 40)
    write_rows(folder / "market.csv", 2, 30, ("port", "kitchen"))
    write_rows(folder / "letters.csv", 3, 30, ("sea", "food"))
    for name, file in ((TASK, "target.csv"), ("market", "market.csv"), ("letters", "letters.csv")):
        task.here("data", "add", name, file)
    return task


def _hear_interrupts() -> None:
    """A test runner in the background of a shell ignores Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
