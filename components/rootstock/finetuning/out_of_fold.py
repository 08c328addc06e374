"""Where no labelled row can be spared for a test: each is predicted by fits whose fold held it out.

What is measured so is how a model is made, not the one model that is kept. All that is chosen by cross-validation is chosen anew in
every fold, on the other folds' rows alone (nested cross-validation; S. Varma and R. Simon, "Bias in error estimation when using
cross-validation for model selection", BMC Bioinformatics 7, 2006). To choose by the out-of-fold losses of the other folds' rows
would be cheaper, but those come from fits that saw the fold, and flatter still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import input_hash, training_hashes
from rootstock.errors import DataError
from rootstock.finetuning.crossvalidate import Option, OptionScore, Splits, score_options, stratified_folds, take
from rootstock.finetuning.rungs import answers_of
from rootstock.groups import bound_rows, fewest_groups, grouped_folds
from rootstock.part import Rows
from rootstock.records import Artifact, Dataset, TunedBackbone
from rootstock.rows import read_split, tested_split, were_learned
from rootstock.temperature import at_temperature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Apart enough that no two fits share a seed: within a fold of the plan they are seeded by inner folds.
SEEDS_A_FOLD, SEEDS_A_REPEAT = 100, 10_000
FEWEST_A_CLASS = 3


@dataclass(frozen=True)
class FoldPlan:
    """Folds of n labelled rows, the same for every model that is measured by them."""

    repeats: tuple[Splits, ...]
    seed: int

    @property
    def folds(self) -> int:
        """k, of each repeat."""
        return len(self.repeats[0])

    @property
    def variance_inflation(self) -> float:
        """By how much the variance of a mean over the rows exceeds that of n independent rows: 1 + k / (k - 1).

        C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003, section 4: the variance of a
        mean over folds is that of one fold times (1/k + m/l), where l rows are learned from and m tested, here m/l = 1/(k - 1).
        More repeats take away the chance of the folds, not what all fits share: the bound for many repeats is taken for any
        number (R. R. Bouckaert and E. Frank, "Evaluating the replicability of significance tests for comparing learning
        algorithms", PAKDD 2004).
        """
        return 1 + self.folds / (self.folds - 1)


def measurable_start(target: Dataset, tuned: TunedBackbone) -> tuple[Artifact | None, str]:
    """The model to start from, and ""; or None, and why: it has learned from rows that models are measured on."""
    if tuned.model is None or tested_split(target) == "test":
        return tuned.model, ""
    learned = training_hashes(Path(tuned.model.path))
    known = int(were_learned(read_split(target, "train"), learned).sum())
    if not known:
        return tuned.model, ""
    rows = target.splits["train"].rows
    return (
        None,
        f"{tuned.source} is no start: it has learned from {known} of the {rows} labelled rows, which models are measured on",
    )


def plan_folds(
    inputs: Sequence[object],
    labels: NDArray[np.int64],
    *,
    folds: int,
    repeats: int,
    seed: int,
    groups: NDArray[np.int64] | None = None,
) -> FoldPlan:
    """Stratified folds of n rows, ``repeats`` times, in which rows with the same input, or of one group (n,), fall on one side.

    Fewer folds where the smallest class has fewer different inputs. Raises DataError when a class has fewer than 3 inputs, or
    groups: two are to be left to choose by when one is held out.
    """
    import numpy as np

    hashes = [input_hash(value) for value in inputs]
    if groups is not None:
        bound = bound_rows(groups.astype(str).tolist(), hashes)
        return _plan_by_groups(labels, bound, folds=folds, repeats=repeats, seed=seed)
    first = {name: row for row, name in reversed(list(enumerate(hashes)))}
    leaders = np.array(sorted(first.values()), dtype=np.int64)
    fewest = int(np.unique(labels[leaders], return_counts=True)[1].min())
    if fewest < FEWEST_A_CLASS:
        raise DataError(
            f"expected at least {FEWEST_A_CLASS} labelled rows with different inputs in each class where rows are predicted out of "
            f"fold, found a class with {fewest}; label more rows of it, or hold rows out (evaluation.rows: held_out)"
        )
    leader_of = np.array([first[name] for name in hashes], dtype=np.int64)

    def one(repeat: int) -> Splits:
        fold_of = np.empty(len(labels), dtype=np.int64)
        for fold, (_, held) in enumerate(stratified_folds(labels[leaders], folds=folds, seed=seed + SEEDS_A_REPEAT * repeat)):
            fold_of[leaders[held]] = fold
        fold_of = fold_of[leader_of]
        return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(int(fold_of.max()) + 1)]

    return FoldPlan(tuple(one(repeat) for repeat in range(repeats)), seed)


def _plan_by_groups(labels: NDArray[np.int64], bound: NDArray[np.int64], *, folds: int, repeats: int, seed: int) -> FoldPlan:
    if (fewest := fewest_groups(labels, bound)) < FEWEST_A_CLASS:
        raise DataError(
            f"expected labelled rows of each class in at least {FEWEST_A_CLASS} groups (data.columns.group) where rows are "
            f"predicted out of fold, found a class in {fewest}; label rows of more groups, or hold rows out with "
            "evaluation.rows: held_out"
        )
    seeds = (seed + SEEDS_A_REPEAT * repeat for repeat in range(repeats))
    return FoldPlan(tuple(grouped_folds(labels, bound, folds=folds, seed=each) for each in seeds), seed)


def average_over_folds(
    plan: FoldPlan,
    fit_and_answer: Callable[[NDArray[np.int64], NDArray[np.int64], int], NDArray[np.float64]],
    *,
    rows: int,
    classes: int,
) -> NDArray[np.float64]:
    """(n, c) probabilities, averaged over repeats, of what is fitted on the first indices with a seed and answers the second."""
    import numpy as np

    found = np.zeros((rows, classes))
    for repeat, splits in enumerate(plan.repeats):
        for fold, (train, held) in enumerate(splits):
            found[held] += fit_and_answer(train, held, plan.seed + SEEDS_A_REPEAT * repeat + SEEDS_A_FOLD * fold) / len(
                plan.repeats
            )
    return found


def nested_answers(
    choices: Mapping[str, Sequence[Option]], plan: FoldPlan, *, folds: int, are_tempered: bool
) -> dict[str, NDArray[np.float64]]:
    """name -> (n, c) probabilities, averaged over repeats, of the best of each name's options.

    In every fold of the plan the option and its setting are those with the lowest cross-validated log loss on the rows that are
    learned from (in ``folds`` folds), fitted on these rows; with ``are_tempered`` at the temperature found there, too. An option
    under two names is cross-validated once.
    """
    import numpy as np

    first = next(iter(choices.values()))[0]
    found = {name: np.zeros((len(first.rows.labels), first.start.classes)) for name in choices}
    every = list({id(option): option for options in choices.values() for option in options}.values())
    for repeat, splits in enumerate(plan.repeats):
        for fold, (train, held) in enumerate(splits):
            seed = plan.seed + SEEDS_A_REPEAT * (repeat + 1) + SEEDS_A_FOLD * fold
            scores = {id(option): _scored(option, train, folds=folds, seed=seed) for option in every}
            answers: dict[int, NDArray[np.float64]] = {}
            for name, options in choices.items():
                best = min(options, key=lambda option: scores[id(option)].log_loss)
                if id(best) not in answers:
                    answers[id(best)] = _answers(scores[id(best)], take(best.rows, held), is_tempered=are_tempered, seed=seed)
                found[name][held] += answers[id(best)] / len(plan.repeats)
    return found


def _scored(option: Option, train: NDArray[np.int64], *, folds: int, seed: int) -> OptionScore:
    import numpy as np

    part = replace(option, rows=take(option.rows, train))
    return score_options([part], folds=folds, seed=seed, eligible=np.ones(len(train), dtype=bool))[0]


def _answers(score: OptionScore, asked: Rows, *, is_tempered: bool, seed: int) -> NDArray[np.float64]:
    option = score.option
    fitted = option.method.fit(option.start, option.rows, heldout=None, setting=score.setting, seed=seed)
    said = answers_of(fitted, asked.inputs, asked.features, label="predicting held-out rows")
    return at_temperature(said, score.temperature) if is_tempered else said
