"""Export a tested model: write each format, reload it in a process of its own, compare, keep it only if it is the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rootstock.classifier import Classifier
from rootstock.errors import InputError, Refusal
from rootstock.export.compare import Answers, Reference, compare, mib, refuse_loss, refuse_other_answers, share
from rootstock.export.contents import write_contents
from rootstock.export.figures import RECORD_FILE, Export, ExportedFormat
from rootstock.export.formats import Format, find_formats
from rootstock.export.rows import ComparedRows
from rootstock.files import new_folder, sha256_of
from rootstock.installation import threads
from rootstock.reload import ENVIRONMENT, write_inputs


def export(
    model: Path, target: Path, *, formats: Sequence[str], rows: ComparedRows, name: str, version: str | None, confidence: float,
    max_loss_points: float,
) -> Export:  # fmt: skip
    """Write the model folder ``model`` to ``target``: a folder a format, and ``export.json`` with the figures beside them.

    Each format is reloaded from its files in a fresh process and compared on ``rows`` with the model folder itself: in fp32 it must
    give the same label on at least 99.9% of them, with probabilities equal up to rounding; in int8 it may lose at most
    ``max_loss_points`` points of accuracy. An earlier export at ``target`` is replaced.

    Raises Refusal if a format does not hold that, InputError for an unknown format, one whose packages are not installed, or a
    target that holds something else. Whatever is raised, ``target`` is as it was before.
    """
    started = time.perf_counter()
    wanted = find_formats(formats)
    check_target(target, model)
    classifier = Classifier.load(model)
    tested = Reference(classifier.labels, classifier.predict(rows.inputs).probabilities, rows.labels)
    before = tested.right(tested.probabilities)
    with new_folder(target) as draft:
        done = tuple(
            _exported(
                each, kind, classifier, draft / each, tested, rows, confidence=confidence, max_loss_points=max_loss_points
            )
            for each, kind in wanted.items()
        )  # fmt: skip
        record = Export(
            model=name,
            version=version,
            sha256=sha256_of(model),
            rows=len(rows.inputs),
            rows_path=rows.path,
            rows_sha256=rows.sha256,
            accuracy=share(before, confidence=confidence) if before is not None else None,
            mib=mib(model),
            threads=threads(),
            max_loss_points=max_loss_points,
            formats=done,
            seconds=round(time.perf_counter() - started, 1),
        )
        (draft / RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for path in draft.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # safetensors writes files that only their owner may read
    return record


def check_target(target: Path, model: Path | None) -> None:
    """Raise InputError unless ``target`` is new, empty, or an earlier export, and apart from the model: it will be replaced."""
    whole = target.resolve()
    if model is not None and (model.resolve().is_relative_to(whole) or whole.is_relative_to(model.resolve())):
        raise InputError(
            f"{target}: expected a folder apart from the model's own {model}, found one inside the other; name another"
        )
    if target.is_file():
        raise InputError(f"{target}: expected a folder to write to, found a file; name another")
    if target.is_dir() and any(target.iterdir()) and not (target / RECORD_FILE).is_file():
        raise InputError(
            f"{target}: expected a new or empty folder, or an earlier export with {RECORD_FILE}, found a folder with other files; "
            "name another"
        )


def _exported(
    name: str, kind: Format, classifier: Classifier, folder: Path, tested: Reference, rows: ComparedRows, *, confidence: float,
    max_loss_points: float,
) -> ExportedFormat:  # fmt: skip
    folder.mkdir()
    kind.write(classifier, folder)
    write_contents(classifier, folder)
    found = compare(name, folder, tested, reloaded(name, folder, rows.inputs), confidence=confidence)
    if kind.is_exact:
        refuse_other_answers(found)
    else:
        refuse_loss(found, max_loss_points=max_loss_points)
    return found


def reloaded(name: str, folder: Path, inputs: Sequence[object]) -> Answers:
    """What the format in ``folder`` answers in a fresh process. Raises Refusal if it cannot be loaded or dies."""
    with tempfile.TemporaryDirectory() as temporary:
        given, answers = Path(temporary) / "inputs.json", Path(temporary) / "answers.npz"
        write_inputs(inputs, given)
        # -P: nothing in the working directory takes the place of a library. -B: no bytecode is left beside the loader.
        command = [sys.executable, "-P", "-B", "-m", "rootstock.export.check", str(folder), str(given), str(answers)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT}, check=False)
        if done.returncode != 0 or not answers.is_file():
            said = done.stdout.strip()[:300] or f"the process ended with {done.returncode}"
            raise Refusal(f"{name}: expected a model that loads in a new process, found that it does not: {said}")
        return Answers.read(answers)
