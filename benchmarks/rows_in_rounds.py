"""Which of a target's rows get a label: by chance, or as a model asks for them round by round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rootstock.encoder import Encoder
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.trial import stratified_order
from rootstock.head import Head, log_probabilities
from rootstock.part import Pool, QueryStrategy, Start, parse_part
from scratch_tasks import USUAL_PENALTY, Rounds, Task, method_of


def rows_by_chance(task: Task, size: int, draw: int) -> NDArray[np.int64]:
    """Indices of training rows, the same share of each class; smaller draws lie inside larger."""
    return np.sort(stratified_order(task.train.labels, seed=draw + 1)[:size])


@dataclass(frozen=True)
class Chosen:
    """Rows to learn a target from, and what learning them starts from."""

    rows: NDArray[np.int64]
    """indices, ascending"""
    load: Callable[[], Encoder]
    prior: Head | None


def rows_chosen(task: Task, asked: Rounds, size: int, draw: int) -> Chosen:
    """Labels are read of rows that were chosen before, and of no other.

    The first round asks the head that has learned the source; where there is none, it is drawn by chance. Each model starts from
    what has learned the source, or, where rounds go on, from the model of the round before; so does the model that is tested.
    """
    strategy = parse_part(QueryStrategy, {"name": asked.strategy})  # type: ignore[type-abstract]
    method = method_of(asked.between)
    random = np.random.default_rng(draw)
    probe = method.name == "linear_probe"
    encoder, head = task.warm(), task.prior
    at = Chosen(np.zeros(0, dtype=np.int64), task.warm, task.prior)
    seen = encoder.embed(task.train.inputs) if probe else None
    for turn in range(asked.rounds):
        if turn > 0:
            rows = take(task.train, at.rows)
            rows = rows if seen is None else replace(rows, features=seen[at.rows])
            start = Start(at.load, task.classes, at.prior)
            fitted = method.fit(start, rows, heldout=None, setting=USUAL_PENALTY if probe else None, seed=draw)
            encoder, head = fitted.encoder or encoder, fitted.head
            at = replace(at, load=partial(_as_it_is, encoder), prior=head) if asked.go_on else at
        wanted = size * (turn + 1) // asked.rounds - len(at.rows)
        rest = random.permutation(np.setdiff1d(np.arange(len(task.train.labels)), at.rows))[: asked.pool]
        if head is None:
            at = replace(at, rows=rest[:wanted])
            continue
        features = encoder.embed([task.train.inputs[row] for row in rest]) if seen is None else seen[rest]
        pool = Pool(np.exp(log_probabilities(features, head)), features)
        at = replace(at, rows=np.concatenate([at.rows, rest[strategy.choose(pool, wanted, seed=draw)]]))
    return replace(at, rows=np.sort(at.rows))


def _as_it_is(encoder: Encoder) -> Encoder:
    return encoder
