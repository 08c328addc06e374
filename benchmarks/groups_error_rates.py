"""How often rows that hang together claim what is not so, taken as independent and with their design effect.

Two models answer rows of groups, such as patients with several images each. On some rows exactly one of the two is right; with a
chance that is the correlation within a group, which one it is hangs on the group and not on the row. Sizes of groups: all five, or
mixed, most small and one in ten larger by twenty. Printed are the shares of simulated data sets with a false claim: "the first is
better" of two that are equally good (exact one-sided McNemar test), and "the first is not worse by .05" of two of which it is worse
by just that (Tango's score limit); with rows as if they were independent, with ``design_effect``, and with each group counted for
one row. The last two columns are power: how often a first model that is better by .1 is shown to be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from rootstock.paired import Pair, mcnemar_exact, pair_of, score_of

LEVEL, MARGIN, GAIN, DISCORDANCE = 0.05, 0.05, 0.1, 0.25
GROUPS, CORRELATIONS, SIZES = (10, 20, 50, 200), (0.0, 0.3, 1.0), ("five", "mixed")


@dataclass(frozen=True)
class World:
    """Rows in groups, and how alike the rows of a group are."""

    groups: int
    sizes: str
    correlation: float

    def draw(self, random: np.random.Generator, difference: float) -> tuple[Pair, float]:
        """Two models of which the first is better by ``difference``, and the most that a design effect could be."""
        sizes = np.full(self.groups, 5) if self.sizes == "five" else _mixed(random, self.groups)
        group = np.repeat(np.arange(self.groups), sizes)
        of_group, of_row = (_outcomes(random, count, difference) for count in (self.groups, len(group)))
        # A pair of rows follows its group with the square of each row's chance to.
        follows = random.random(len(group)) < np.sqrt(self.correlation)
        outcome = np.where(follows, of_group[group], of_row)
        return pair_of(outcome == 1, outcome == -1, groups=group), float((sizes**2).sum() / len(group))


def _mixed(random: np.random.Generator, groups: int) -> NDArray[np.int64]:
    return np.minimum(1 + random.geometric(1 / 6, groups) + 20 * (random.random(groups) < 0.1), 60)


def _outcomes(random: np.random.Generator, count: int, difference: float) -> NDArray[np.int64]:
    """1 where only the first is right, -1 where only the second is, else 0."""
    wins, losses = (DISCORDANCE + difference) / 2, (DISCORDANCE - difference) / 2
    drawn = random.random(count)
    return np.where(drawn < wins, 1, np.where(drawn < wins + losses, -1, 0))


def _ways(pair: Pair, most: float) -> tuple[Pair, Pair, Pair]:
    return replace(pair, inflation=1.0), pair, replace(pair, inflation=most)


def is_shown_better(pair: Pair) -> bool:
    return mcnemar_exact(pair) <= LEVEL


def is_shown_not_worse(pair: Pair) -> bool:
    return score_of(pair, -MARGIN) > NormalDist().inv_cdf(1 - LEVEL)


def shares(world: World, claim: Callable[[Pair], bool], *, difference: float, draws: int, seed: int) -> NDArray[np.float64]:
    """(3,) share of data sets with the claim: rows independent, design effect, a group one row."""
    random = np.random.default_rng(seed)
    return np.mean([[claim(pair) for pair in _ways(*world.draw(random, difference))] for _ in range(draws)], axis=0)


def main() -> None:
    """Print a line a world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--draws", type=int, default=2000, help="simulated data sets a figure; its standard error at 5% is .5 points"
    )
    given = parser.parse_args()
    print("                              falsely better        falsely not worse     better by .1, shown")
    print("groups  sizes  correlation  indep. effect one row   indep. effect one row   effect one row")
    for groups in GROUPS:
        for sizes in SIZES:
            for correlation in CORRELATIONS:
                world = World(groups, sizes, correlation)
                better = shares(world, is_shown_better, difference=0.0, draws=given.draws, seed=groups)
                held = shares(world, is_shown_not_worse, difference=-MARGIN, draws=given.draws, seed=groups + 1)
                power = shares(world, is_shown_better, difference=GAIN, draws=given.draws, seed=groups + 2)
                figures = [f"{100 * each:6.1f}" for each in (*better, *held, *power[1:])]
                print(
                    f"{groups:6}  {sizes:<5}  {correlation:11.1f}  {' '.join(figures[:3])}    {' '.join(figures[3:6])}    "
                    f"{' '.join(figures[6:])}"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
