"""The processes that ask a model folder as it ships: what they write, and what they say of a folder that does not answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rootstock.reload import write_inputs

LOADER = """
import numpy

class Model:
    labels = ("a", "b")

    def probabilities(self, inputs):
        return numpy.tile([0.25, 0.75], (len(inputs), 1))

def load(folder):
    return Model()
"""
BROKEN = {
    "a loader that gives up": ("raise SystemExit('load.py: the head is gone')", "load.py: the head is gone"),
    "a loader that fails": ("raise OSError('no such head')", "OSError: no such head"),
    "no loader": (None, "load.py is missing"),
}
asking = pytest.mark.parametrize("module", ["rootstock.reload", "rootstock.export.check"])


def ask(module: str, folder: Path, loader: str | None) -> tuple[subprocess.CompletedProcess[str], Path]:
    if loader is not None:
        (folder / "load.py").write_text(loader, encoding="utf-8")
    write_inputs(["one", "two", "three"], folder / "inputs.json")
    answers = folder / "answers.npz"
    command = [sys.executable, "-m", module, str(folder), str(folder / "inputs.json"), str(answers)]
    return subprocess.run(command, capture_output=True, text=True, check=False), answers


@asking
def test_the_labels_are_written_beside_the_answers(module: str, tmp_path: Path) -> None:
    done, answers = ask(module, tmp_path, LOADER)
    assert done.returncode == 0, done.stdout
    with np.load(answers) as found:
        assert found["labels"].tolist() == ["a", "b"]
        assert {"alone", "probabilities"} & set(found)


@asking
@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_does_not_answer_is_told_with_its_reason_and_leaves_nothing(module: str, case: str, tmp_path: Path) -> None:
    loader, reason = BROKEN[case]
    done, answers = ask(module, tmp_path, loader)
    assert done.returncode == 1
    assert reason in done.stdout
    assert not answers.exists()
