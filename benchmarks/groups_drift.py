"""How often drift is found where there is none, and where there is, when the rows of a window are of groups that hang together.

Each group, such as a customer, has a place of its own among all texts, and its rows lie around it: the correlation is the share of
a row's variance that is its group's. The reference has a row of each of 400 groups. In a window all groups ask alike, or one
in ten of them twenty times as often. Its rows are compared as if they were independent, or one of each group; both ways with as
many rows. Printed are the shares of windows with an alarm by the tests of params.yaml, held to a chance of 5% a window, without a
floor on effects: where nothing changed, and where all groups moved by half a standard deviation.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rootstock.groups import one_row_of_each, start_of_newest
from rootstock.monitoring.decide import detect
from rootstock.params import MonitoringParams
from rootstock.part import Window

LEVEL, SHIFT, WIDTH, CLASSES = 0.05, 0.5, 16, 4
REFERENCE_ROWS, WINDOW_ROWS, PERMUTATIONS = 400, 120, 400
CORRELATIONS, ASKING = (0.0, 0.3, 0.7), ("alike", "some often")
TESTS = [
    {"name": "descriptor_drift", "effect_floor": 0.0},
    {"name": "prediction_drift", "effect_floor": 0.0},
    {"name": "embedding_drift", "permutations": PERMUTATIONS, "effect_floor": 0.0},
]


@dataclass(frozen=True)
class World:
    """How alike the rows of a group are, and whether all groups ask equally often."""

    correlation: float
    asking: str

    def groups(self, random: np.random.Generator) -> NDArray[np.int64]:
        """The group of each row of a log: five rows a group, or three, and sixty of one in ten."""
        count = 2 * WINDOW_ROWS
        sizes = np.full(count, 5) if self.asking == "alike" else np.where(random.random(count) < 0.1, 60, 3)
        return random.permutation(np.repeat(np.arange(count), sizes))

    def rows(self, random: np.random.Generator, groups: NDArray[np.int64], shift: float) -> Window:
        """What drift tests see of rows of these groups."""
        places = random.normal(size=(groups.max() + 1, WIDTH))[groups]
        latent = np.sqrt(self.correlation) * places + np.sqrt(1 - self.correlation) * random.normal(size=(len(groups), WIDTH))
        latent[:, 0] += shift
        odds = np.exp(2 * latent[:, :CLASSES])
        descriptors = pd.DataFrame({"length": np.round(40 * np.exp(latent[:, 0] / 2)), "digits": latent[:, 1]})
        return Window(descriptors, latent, odds / odds.sum(axis=1, keepdims=True))


def newest(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last rows, one of each group."""
    names = [str(group) for group in groups]
    start = start_of_newest(names, WINDOW_ROWS)
    return start + np.array(one_row_of_each(names[start:]))


def taken(window: Window, rows: NDArray[np.int64]) -> Window:
    """Some rows of a window."""
    return Window(window.descriptors.iloc[rows].reset_index(drop=True), window.embeddings[rows], window.probabilities[rows])


def alarms(world: World, *, shift: float, draws: int, seed: int) -> NDArray[np.float64]:
    """(2,) share of windows with an alarm: rows taken as independent, one row a group."""
    monitoring = MonitoringParams.model_validate({
        "window_rows": WINDOW_ROWS, "reference_rows": REFERENCE_ROWS, "tests": TESTS, "alpha": LEVEL, "looks": 1,
        "cool_down_hours": 0, "retrain_on_new_data": False,
    })  # fmt: skip
    found = []
    for draw in range(draws):
        random = np.random.default_rng((seed, draw))
        reference = world.rows(random, np.arange(REFERENCE_ROWS), 0.0)
        groups = world.groups(random)
        log = world.rows(random, groups, shift)
        windows = taken(log, np.arange(len(groups))[-WINDOW_ROWS:]), taken(log, newest(groups))
        found.append(
            [any(each.drifted for each in detect(reference, window, monitoring=monitoring, seed=draw)) for window in windows]
        )
    return np.mean(found, axis=0)


def main() -> None:
    """Print a line a world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=500, help="windows a figure; its standard error at 5% is a point")
    given = parser.parse_args()
    print("                          nothing changed    moved by half a deviation")
    print("correlation  groups ask   indep. one a group   indep. one a group")
    for correlation, asking in product(CORRELATIONS, ASKING):
        world = World(correlation, asking)
        quiet, moved = (alarms(world, shift=shift, draws=given.draws, seed=1) for shift in (0.0, SHIFT))
        figures = "".join(f"{100 * first:8.1f}{100 * second:12.1f}" for first, second in (quiet, moved))
        print(f"{correlation:11.1f}  {asking:<10}{figures}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
