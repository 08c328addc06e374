"""How often out-of-fold predictions claim a difference between two ways to learn that are equally good.

Rows are drawn from two classes with normal features. Two learners, ridge classifiers, each see half of the features; the halves are
alike, so that both are equally good in truth, and every claim that one is better is false. Both are measured by repeated stratified
k-fold on the same folds, as ``evaluation.rows: out_of_fold`` does, with one answer a row, averaged over repeats. Printed are the
shares of simulated data sets in which the exact one-sided McNemar test claims that the first is better: on the rows as if they were
independent, and with the variance inflated as ``FoldPlan.variance_inflation`` says. In "best of five" the first learner is the one
of five, all alike, that has the most of these very rows right, as when a source was chosen on them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rootstock.finetuning.out_of_fold import FoldPlan, plan_folds
from rootstock.paired import Pair, mcnemar_exact, pair_of
from scipy.stats import binomtest

ALPHAS = (0.05, 0.01, 0.001)
FEATURES = 8
RIDGE = 1.0


def draw(random: np.random.Generator, rows: int, learners: int, *, shift: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features (n, learners, d) that tell the classes apart equally well for each learner, and labels (n,)."""
    labels = np.arange(rows) % 2
    features = random.normal(size=(rows, learners, FEATURES))
    features[:, :, 0] += shift * (2 * labels[:, None] - 1)
    return features, labels


def answers(features: NDArray[np.float64], labels: NDArray[np.int64], plan: FoldPlan) -> NDArray[np.float64]:
    """(n,) scores of class 1 over class 0, each from fits that did not see the row, averaged over repeats."""
    design = np.hstack([features, np.ones((len(features), 1))])
    signs = 2.0 * labels - 1
    found = np.zeros(len(labels))
    for splits in plan.repeats:
        for train, held in splits:
            known = design[train]
            weights = np.linalg.solve(known.T @ known + RIDGE * np.eye(known.shape[1]), known.T @ signs[train])
            found[held] += design[held] @ weights
    return found


def one(random: np.random.Generator, rows: int, *, best_of: int, folds: int, repeats: int, shift: float) -> Pair:
    """How the learners differ on the rows of one data set."""
    features, labels = draw(random, rows, best_of + 1, shift=shift)
    plan = plan_folds(range_names(rows), labels, folds=folds, repeats=repeats, seed=int(random.integers(2**31)))
    right = [(answers(features[:, place], labels, plan) > 0) == (labels == 1) for place in range(best_of + 1)]
    first = max(right[:best_of], key=lambda mask: mask.sum())
    return pair_of(first, right[-1], inflation=plan.variance_inflation)


def range_names(rows: int) -> list[str]:
    """Inputs that all differ."""
    return [str(row) for row in range(rows)]


def claims(pairs: list[Pair], alpha: float) -> tuple[int, int]:
    """Data sets in which the first is said to be better: as if rows were independent, and with the inflation."""
    naive = sum(mcnemar_exact(replace(pair, inflation=1.0)) <= alpha for pair in pairs)
    return naive, sum(mcnemar_exact(pair) <= alpha for pair in pairs)


def shown(count: int, draws: int) -> str:
    low, high = binomtest(count, draws).proportion_ci(method="wilson")
    return f"{100 * count / draws:5.2f}% ({100 * low:.2f} to {100 * high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000, help="simulated data sets a line")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shift", type=float, default=0.7, help="how far apart the classes are, in standard deviations")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("rows  first learner   alpha  variance of the difference  claims, rows independent    claims, variance inflated")
    for rows in (30, 60, 120):
        for best_of in (1, 5):
            random = np.random.default_rng([given.seed, rows, best_of])
            settings = {"best_of": best_of, "folds": given.folds, "repeats": given.repeats, "shift": given.shift}
            pairs = [one(random, rows, **settings) for _ in range(given.draws)]
            differences = np.array([pair.difference for pair in pairs])
            stated = np.mean([pair.discordance - pair.difference**2 for pair in pairs]) / rows
            for alpha in ALPHAS:
                naive, inflated = claims(pairs, alpha)
                who = "one of two" if best_of == 1 else f"best of {best_of}"
                print(
                    f"{rows:4}  {who:<14} {alpha:6g}  {differences.var() / stated:5.2f} x the stated        "
                    f"{shown(naive, given.draws):<27} {shown(inflated, given.draws)}"
                )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
