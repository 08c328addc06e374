"""Which of a target's rows get a label: by chance, or as a model asks for them round by round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.trial import stratified_order
from rootstock.head import log_probabilities
from rootstock.part import Pool, QueryStrategy, Start, parse_part
from scratch_tasks import USUAL_PENALTY, Rounds, Task, method_of


def rows_by_chance(task: Task, size: int, draw: int) -> NDArray[np.int64]:
    """Indices of training rows, the same share of each class; smaller draws lie inside larger."""
    return np.sort(stratified_order(task.train.labels, seed=draw + 1)[:size])


def rows_chosen(task: Task, asked: Rounds, size: int, draw: int) -> NDArray[np.int64]:
    """Indices of training rows. Labels are read of those that were chosen before, and of no other.

    The first round asks the head that has learned the source; where there is none, it is drawn by chance.
    """
    strategy = parse_part(QueryStrategy, {"name": asked.strategy})  # type: ignore[type-abstract]
    method = method_of(asked.between)
    random = np.random.default_rng(draw)
    probe = method.name == "linear_probe"
    encoder, head = task.warm(), task.prior
    seen = encoder.embed(task.train.inputs) if probe else None
    labelled = np.zeros(0, dtype=np.int64)
    for turn in range(asked.rounds):
        if turn > 0:
            rows = take(task.train, labelled)
            rows = rows if seen is None else replace(rows, features=seen[labelled])
            fitted = method.fit(
                Start(task.warm, task.classes, task.prior), rows, heldout=None, setting=USUAL_PENALTY if probe else None, seed=draw
            )
            encoder, head = fitted.encoder or encoder, fitted.head
        wanted = size * (turn + 1) // asked.rounds - len(labelled)
        rest = random.permutation(np.setdiff1d(np.arange(len(task.train.labels)), labelled))[: asked.pool]
        if head is None:
            labelled = rest[:wanted]
            continue
        features = encoder.embed([task.train.inputs[row] for row in rest]) if seen is None else seen[rest]
        pool = Pool(np.exp(log_probabilities(features, head)), features)
        labelled = np.concatenate([labelled, rest[strategy.choose(pool, wanted, seed=draw)]])
    return np.sort(labelled)
