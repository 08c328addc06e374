"""A search for better learning rates than those of the params, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rootstock import processes
from rootstock.finetuning.crossvalidate import (
    Option,
    OptionScore,
    held_out_probabilities,
    row_losses,
    score_options,
    stratified_folds,
)
from rootstock.params import SearchParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.part import FineTuneMethod

RATES = ("learning_rate", "head_learning_rate")
#: Trials that are never cut short: what the others are held against.
UNPRUNED = 3


def search_rates(
    best: OptionScore, *, search: SearchParams, folds: int, seed: int, eligible: NDArray[np.bool_]
) -> tuple[OptionScore, str]:
    """The best option with the learning rates of the lowest cross-validated log loss found, and what is to be said of the search.

    Rates are drawn log-uniformly from ``search.factor`` times below to above those of the params (tree-structured Parzen estimator,
    Bergstra et al. 2011, through Optuna), on the folds that the methods were compared on; a trial whose loss is above the median of
    the others after as many folds ends there. A method without such rates is returned as it is.

    The lowest of many losses on the same folds is a little too low; on the test rows nothing is gained by that.
    """
    import optuna

    method = best.option.method
    usual = {name: float(getattr(method, name)) for name in RATES if hasattr(method, name)}
    if not usual:
        return best, ""
    option = best.option
    splits = stratified_folds(option.rows.labels, folds=folds, seed=seed, groups=option.rows.groups)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        rates = {
            name: trial.suggest_float(name, rate / search.factor, rate * search.factor, log=True) for name, rate in usual.items()
        }
        tried, losses = replace(option, method=_with(method, rates)), []
        for number, split in enumerate(splits):
            losses.append(_lowest_loss(tried, split, eligible=eligible, seed=seed + number))
            trial.report(sum(losses) / len(losses), number)
            if trial.should_prune():
                raise optuna.TrialPruned
        return sum(losses) / len(losses)

    study = optuna.create_study(
        direction="minimize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
    )
    study.enqueue_trial(usual)
    end = time.monotonic() + 60 * search.minutes

    def stop_in_time(study: optuna.Study, _trial: object) -> None:
        if processes.agreed(time.monotonic() >= end):
            study.stop()

    study.optimize(objective, n_trials=search.trials, callbacks=[stop_in_time], show_progress_bar=False)
    found = score_options(
        [replace(option, method=_with(method, study.best_params)), option], folds=folds, seed=seed, eligible=eligible
    )[0]
    rates = ", ".join(f"{name} {getattr(found.option.method, name):.2g}" for name in usual)
    kept = "those of the params stay" if found.option.method == method else f"log loss {found.log_loss:.3f}"
    return found, f"{len(study.trials)} trials of learning rates in {search.minutes:g} minutes at most: {rates}, {kept}"


def _with(method: FineTuneMethod, rates: dict[str, Any]) -> FineTuneMethod:
    return type(method).model_validate(method.model_dump() | rates)


def _lowest_loss(option: Option, split: Sequence[Any], *, eligible: NDArray[np.bool_], seed: int) -> float:
    """Mean log loss of a fold's held-out rows, at the best number of epochs for it."""
    _, heldout = split
    rows = heldout[eligible[heldout]]
    if not len(rows):
        return 0.0
    predicted = held_out_probabilities(option, [tuple(split)], seed=seed)
    return min(float(row_losses(said[rows], option.rows.labels[rows]).mean()) for said in predicted.values())
