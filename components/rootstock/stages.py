"""The stages: name, function, inputs and output of each, read off the functions' own signatures.

A stage function takes records by position and sections of the params by keyword, so what a stage depends on is what it can see.
Its key is a hash of just that, and of the code.
"""

from __future__ import annotations

import inspect
import shutil
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rootstock.data.prepare import prepare
from rootstock.data.resolve import resolve
from rootstock.errors import InputError, unknown_name
from rootstock.evaluation.decide import decide
from rootstock.evaluation.evaluate import evaluate
from rootstock.evaluation.looks import count_looks
from rootstock.files import sha256_of_json, storage_errors
from rootstock.finetuning.finetune import finetune
from rootstock.finetuning.ladder import climb
from rootstock.finetuning.select import select
from rootstock.finetuning.tune import tune
from rootstock.installation import code_version
from rootstock.params import Params
from rootstock.records import RECORD_FILE, Record
from rootstock.registration.history import read_history
from rootstock.registration.register import register
from rootstock.registration.versions import find_incumbent
from rootstock.similarity.rank import rank
from rootstock.validation.validate import validate

#: Keyword parameters of stage functions that are no section of the params: where to write, which run this is, what set it off, and
#: all the params for the record of it. They take no part in a stage's key, so only volatile stages may read more than the folder.
CONTEXT = frozenset({"folder", "run_key", "trigger", "params"})

#: What set a run off that a person started.
BY_HAND = "by hand"

#: Where a section alone decides what a folder is called, not what is in it, it takes no part in a stage's key.
UNHASHED_SECTIONS = frozenset({"workspace"})


@dataclass(frozen=True)
class Stage:
    """One step of the main job."""

    name: str
    function: Callable[..., Record]
    volatile: bool
    """reads the world outside (a registry), so it is never taken from a cache"""
    says: str
    """what it does, for people"""

    @property
    def inputs(self) -> tuple[type[Record], ...]:
        """Types of the records it takes, in order."""
        return _signature(self.function)[0]

    @property
    def sections(self) -> tuple[str, ...]:
        """Sections of the params it reads."""
        return _signature(self.function)[1]

    @property
    def output(self) -> type[Record]:
        """Type of the record it gives."""
        return _signature(self.function)[2]


@cache
def _signature(function: Callable[..., Record]) -> tuple[tuple[type[Record], ...], tuple[str, ...], type[Record]]:
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    inputs = tuple(hints[p.name] for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
    sections = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in CONTEXT)
    return inputs, sections, hints["return"]


STAGES = (
    Stage("resolve", resolve, True, "name the newest data revisions"),
    Stage("incumbent", find_incumbent, True, "find the champion in production"),
    Stage("history", read_history, True, "read what earlier runs have gained"),
    Stage("prepare", prepare, False, "read and split the data"),
    Stage("validate", validate, False, "check the data"),
    Stage("rank", rank, False, "rank what to learn from"),
    Stage("select", select, False, "try the best for short"),
    Stage("tune", tune, False, "learn from the source"),
    Stage("finetune", finetune, False, "adapt to the target"),
    Stage("ladder", climb, False, "fit the baselines"),
    Stage("evaluate", evaluate, False, "measure on the test rows"),
    Stage("looks", count_looks, True, "count what was decided before"),
    Stage("decide", decide, False, "ask the gates"),
    Stage("register", register, True, "register and promote"),
)

#: Stages from files to files, the same each time: those that dvc.yaml holds too.
DETERMINISTIC = tuple(stage for stage in STAGES if not stage.volatile and stage.name != "decide")


def experiment_stages() -> tuple[Stage, ...]:
    """Those that dvc.yaml holds: the deterministic ones and what they read. None of them changes anything in production."""
    read = {kind for stage in DETERMINISTIC for kind in stage.inputs}
    return tuple(stage for stage in STAGES if stage in DETERMINISTIC or stage.output in read)


def find_stage(name: str) -> Stage:
    """The stage of this name. Raises InputError that lists the known ones."""
    for stage in STAGES:
        if stage.name == name:
            return stage
    raise InputError(unknown_name("stage", name, (stage.name for stage in STAGES)))


def producer(record: type[Record]) -> Stage:
    """The stage that gives records of this type."""
    return next(stage for stage in STAGES if stage.output is record)


def stage_key(stage: Stage, inputs: Mapping[type[Record], Record], params: Params) -> str:
    """Hash of all that the stage's result depends on."""
    sections = tuple(name for name in stage.sections if name not in UNHASHED_SECTIONS)
    return sha256_of_json([stage.name, code_version(), [inputs[kind].sha256() for kind in stage.inputs], params.sha256(sections)])


def stage_folder(stage: Stage, key: str, workspace: str) -> Path:
    """Where the stage writes what has this key."""
    return Path(workspace) / "stages" / stage.name / key[:16]


def run_stage(
    stage: Stage, inputs: Mapping[type[Record], Record], *, params: Params, folder: Path, run_key: str, trigger: str = BY_HAND
) -> Record:
    """Run a stage and save its record last: a folder without one is unfinished, and is emptied first.

    A volatile stage keeps what is in its folder: it checks for itself what it can use again.
    """
    with storage_errors(folder):
        if folder.exists() and not stage.volatile:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        given: dict[str, Any] = {name: getattr(params, name) for name in stage.sections}
        context = {"folder": folder, "run_key": run_key, "trigger": trigger, "params": params}
        wanted = inspect.signature(stage.function).parameters
        given |= {name: value for name, value in context.items() if name in wanted}
        record = stage.function(*(inputs[kind] for kind in stage.inputs), **given)
        record.save(folder)
    return record


def load_intact(stage: Stage, folder: Path) -> tuple[Record | None, tuple[str, ...]]:
    """The finished record in a stage's folder, or None; and what of its files is damaged."""
    if not (folder / RECORD_FILE).is_file():
        return None, ()
    try:
        record = stage.output.load(folder)
    except InputError as error:
        return None, (str(error),)
    damage = record.damage()
    return (None, damage) if damage else (record, ())


#: Sections that say what is computed; the others say when and where, or how the result is watched.
DECISIVE_SECTIONS = (
    "task",
    "seed",
    "data",
    "validation",
    "backbone",
    "similarity",
    "finetuning",
    "evaluation",
    "gates",
    "registration",
)


def run_key(resolution: Record, params: Params) -> str:
    """Hash of a whole run's inputs: data revisions, params, code. Two runs with one key would decide the same."""
    return sha256_of_json([code_version(), resolution.sha256(), params.sha256(DECISIVE_SECTIONS)])
