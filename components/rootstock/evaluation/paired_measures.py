"""Two models on the same rows, by a measure that is no count of rows right: a swap test and a bootstrap limit.

Accuracy has exact tests of its own (see paired.py); these are for what is a function of totals over rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rootstock.evaluation.bootstrap import CHUNK_COUNTS, Statistic, bootstrap_intervals
from rootstock.evaluation.measures import Answers, log_loss, macro_f1
from rootstock.groups import design_effect, group_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

OtherMeasure = Literal["macro_f1", "log_loss"]

#: Draws are so many times 1 / level, so that what is compared with the level is not itself a matter of luck.
DRAWS_PER_LEVEL = 50
FEWEST_DRAWS, MOST_DRAWS = 2_000, 500_000
SEED = 0


@dataclass(frozen=True)
class PairedStatistics:
    """One measure of two models on the same n rows."""

    first: Statistic
    second: Statistic
    sign: int
    """1 where higher is better, else -1"""
    inflation: float
    """of the variance of a mean over the rows (see ``EvalReport``)"""
    error: float = 1.0
    """about how much a share of wrong answers costs, per unit of that share"""

    @property
    def advantage(self) -> float:
        """How much better the first is, in the measure's unit."""
        return self.sign * (self.first.value() - self.second.value())

    @property
    def rows(self) -> int:
        """n"""
        return self.first.rows

    @property
    def alike(self) -> bool:
        """Whether no row tells the two apart."""
        return not _differing(self.first.columns - self.second.columns).any()


def paired_statistics(
    measure: OtherMeasure, rows: pd.DataFrame, *, labels: Sequence[str], champion_labels: Sequence[str], inflation: float
) -> PairedStatistics:
    """The measure of ``model`` and ``champion`` on rows that both answered, whose classes both know.

    Macro F1 is that of these classes: one that a single model knows has no row here, so that its F1 would be 0 by construction, and
    a stray answer cost as much as a class. Sorted by id first, so that the draws do not depend on the order of the rows.
    """
    ordered = rows.sort_values("id")
    classes = [*labels, *(label for label in champion_labels if label not in labels)]
    place = {label: position for position, label in enumerate(classes)}
    truth = ordered["label"].map(place).to_numpy()

    def answers(name: str, known: Sequence[str]) -> Answers:
        import numpy as np

        found = np.zeros((len(ordered), len(classes)))
        if measure == "macro_f1":
            found[np.arange(len(ordered)), ordered[f"predicted:{name}"].map(place).to_numpy()] = 1.0
        else:
            found[:, [place[label] for label in known]] = np.vstack(ordered[f"probabilities:{name}"].tolist())
        return Answers(truth.astype(np.int64), found)

    models = answers("model", labels), answers("champion", champion_labels)
    groups = group_numbers(ordered)
    if measure == "log_loss":
        error = max(cost_of_error(each) for each in models)
        return _grouped(PairedStatistics(log_loss(models[0]), log_loss(models[1]), -1, inflation, error), groups)
    both = [place[label] for label in labels if label in champion_labels]
    return _grouped(PairedStatistics(macro_f1(models[0], of=both), macro_f1(models[1], of=both), 1, inflation), groups)


def _grouped(pair: PairedStatistics, groups: NDArray[np.int64] | None) -> PairedStatistics:
    """The same, its inflation times the design effect of what each row adds to the advantage."""
    if groups is None or pair.rows < 2:
        return pair
    effect = design_effect(pair.first.left_out() - pair.second.left_out(), groups)
    return replace(pair, inflation=pair.inflation * effect)


def cost_of_error(answers: Answers) -> float:
    """By how many nats the log loss of a wrong row exceeds that of a right one.

    Taken from the wrong rows there are, and one more that stands for those not seen: any row, its true class any that was not
    predicted.
    """
    import numpy as np

    losses, right = log_loss(answers).columns[:, 0], answers.correct
    others = np.maximum(1 - answers.stated, np.finfo(np.float64).eps) / max(answers.probabilities.shape[1] - 1, 1)
    wrong = (losses[~right].sum() - np.log(others).mean()) / ((~right).sum() + 1)
    return max(0.0, float(wrong - (losses[right].mean() if right.any() else 0.0)))


def draws_for(level: float) -> int:
    """How many draws a decision at this level takes."""
    return max(FEWEST_DRAWS, min(MOST_DRAWS, math.ceil(DRAWS_PER_LEVEL / level)))


def swap_test(pair: PairedStatistics, *, level: float) -> tuple[float, float]:
    """One-sided p-value against "the first is not better", and the spread of the advantage under that hypothesis.

    The two models' answers to each row are swapped with probability 1/2, ``draws_for(level)`` times, seeded: approximate
    randomisation (E. W. Noreen, "Computer-intensive methods for testing hypotheses", 1989; A. Yeh, COLING 2000). For the log loss
    this is the sign-flip test of the mean difference. The draw that was observed counts as one, so that P(p <= level) <= level at
    any number of draws (B. Phipson and G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010) where the models are exchangeable row by
    row; where only their measures are equal, that holds for many rows.
    """
    import numpy as np

    difference = pair.second.columns - pair.first.columns
    differs = _differing(difference)
    if not differs.any():
        return 1.0, 0.0
    difference = difference[differs]
    totals = pair.first.columns.sum(axis=0), pair.second.columns.sum(axis=0)
    rng, draws, n = np.random.default_rng(SEED), draws_for(level), pair.rows
    observed = pair.advantage
    chunk = max(1, CHUNK_COUNTS // max(difference.shape))
    found = []
    for start in range(0, draws, chunk):
        swapped = rng.integers(0, 2, size=(min(chunk, draws - start), difference.shape[0]), dtype=np.int8).astype(np.float64)
        moved = swapped @ difference
        found.append(pair.sign * (pair.first.combine(totals[0] + moved, n) - pair.first.combine(totals[1] - moved, n)))
    drawn = np.concatenate(found) * math.sqrt(pair.inflation)
    return float((1 + np.sum(drawn >= observed - 1e-12)) / (1 + draws)), float(drawn.std())


def bootstrap_limits(pair: PairedStatistics, *, level: float) -> tuple[float, float]:
    """One-sided limits of the advantage, each at ``level``: bias-corrected and accelerated, over rows, seeded (Efron 1987)."""
    import numpy as np
    from scipy.sparse import hstack

    width = pair.first.columns.shape[1]

    def combine(totals: NDArray[np.float64], rows: float) -> NDArray[np.float64]:
        both = pair.first.combine(totals[:, :width], rows) - pair.first.combine(totals[:, width:], rows)
        advantage: NDArray[np.float64] = pair.sign * both
        return advantage

    columns = [pair.first.columns, pair.second.columns]
    statistic = Statistic(hstack(columns, format="csr") if pair.first.is_sparse else np.concatenate(columns, axis=1), combine)
    found = bootstrap_intervals({"advantage": statistic}, confidence=1 - 2 * level, draws=draws_for(level), seed=SEED)
    interval, factor = found["advantage"], math.sqrt(pair.inflation)
    return interval.value - factor * (interval.value - interval.low), interval.value + factor * (interval.high - interval.value)


def _differing(difference: Any) -> NDArray[np.bool_]:
    """(n,) rows of a difference of columns, sparse or not, that are not all zero."""
    import numpy as np

    return np.asarray((difference != 0).sum(axis=1) > 0)
