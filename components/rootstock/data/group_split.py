"""Test rows where rows hang together: whole groups are held out, such as all rows of one patient.

Rows of one group are alike beyond what the task asks for. A model that has learned from some of them answers the others better than
rows of a patient it has never seen, which is what it will be asked in production.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from rootstock.errors import DataError


def check_declared(splits: Sequence[str], groups: Sequence[str], *, train: str, test: str) -> None:
    """Raise DataError naming the first group that has rows to learn from and rows declared as test rows."""
    tested = {group for group, split in zip(groups, splits, strict=True) if split == test}
    for group, split in zip(groups, splits, strict=True):
        if split == train and group in tested:
            raise DataError(
                f"data.columns.group: expected all rows of a group in one declared split, found '{group}' in {train} and "
                f"in {test}; move its rows to one of them, or leave the split to Rootstock with data.columns.split: null"
            )


def hold_out_groups(labels: Sequence[str], bound: Sequence[int], *, places: Sequence[str], test_fraction: float) -> list[bool]:
    """(n,) rows to test on: whole sets of bound rows, so that each label has its ``test_fraction`` as nearly as sets allow.

    Sets are taken in the order of ``places`` (n,), those of their rows' groups: where these are hashes, neither the order of rows
    nor a new group moves another. Each is taken while it brings the labels' counts nearer to what is wanted. Of every label at
    least one set is left to learn from; a label that has two sets or more is tested on.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(bound):
        members[number].append(row)
    held: dict[int, Counter[str]] = {number: Counter(labels[row] for row in rows) for number, rows in members.items()}
    place = {number: min(places[row] for row in rows) for number, rows in members.items()}
    order = sorted(members, key=place.__getitem__)
    wanted = {label: max(1, round(test_fraction * rows)) for label, rows in Counter(labels).items()}
    left = Counter(label for counts in held.values() for label in counts)
    have: Counter[str] = Counter()
    tested: set[int] = set()

    def take(number: int) -> None:
        tested.add(number)
        have.update(held[number])
        left.subtract(held[number].keys())

    for number in order:
        gain = sum(abs(wanted[label] - have[label]) - abs(wanted[label] - have[label] - n) for label, n in held[number].items())
        if gain > 0 and all(left[label] > 1 for label in held[number]):
            take(number)
    for label in sorted(wanted):
        if have[label] == 0:
            free = [number for number in order if label in held[number] and all(left[each] > 1 for each in held[number])]
            if free:
                take(min(free, key=lambda number: sum(held[number].values())))
    return [number in tested for number in bound]
