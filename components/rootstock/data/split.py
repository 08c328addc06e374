"""Which rows are learned from and which are held out: by hash, so that it depends on neither file order nor luck."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from rootstock.data.group_split import check_declared, hold_out_groups
from rootstock.data.newest_split import hold_out_newest
from rootstock.data.rows import input_key
from rootstock.groups import bound_rows
from rootstock.normal_form import normal_input
from rootstock.records import CHOSEN, GROUP, TIME

if TYPE_CHECKING:
    import pandas as pd

TRAIN, TEST, UNUSED = "train", "test", "unused"


def hash_order(keys: list[str], *, seed: int) -> list[str]:
    """A position for each key, as hex digits to sort by: a pseudo-random order in which a new key moves no other."""
    return [hashlib.sha256(f"{seed} {key}".encode()).hexdigest() for key in keys]


def assign_splits(
    frame: pd.DataFrame,
    *,
    seed: int,
    test_fraction: float | None,
    test_rows: int | None,
    rows_per_class: int | None,
) -> list[str]:
    """``train``, ``test`` or ``unused`` for each of the n rows of a canonical frame.

    A declared split column is honoured; other names than train and test become ``unused``. Where no test rows are declared,
    ``test_fraction`` of each label's rows are held out (None holds none), and inputs with one normal form (normal_form.py) fall on
    one side. So do rows of one ``group``, where the frame has that column (group_split.py). Where it has the column ``time``, the
    newest rows are held out, whatever their labels, and older ones of their group or with their input are left unused. Rows that a
    model chose to have labelled (``chosen``) are learned from and never held out, as they are harder; left unused where their group
    is tested on.

    Each label's rows stand in one hash order: the test takes them from the front, the labelled rows from the back, so that when
    rows are added later, the few that change sides are those in the middle, which ``rows_per_class`` leaves unused.
    """
    ids, labels = frame["id"].tolist(), frame["label"].tolist()
    keys = [input_key(value) for value in frame["input"]]
    place = list(zip(hash_order(keys, seed=seed), hash_order(ids, seed=seed), strict=True))
    order = sorted(range(len(ids)), key=place.__getitem__)
    declared = frame["split"].tolist()
    splits = [split if split in (TRAIN, TEST, CHOSEN) else TRAIN if split == "" else UNUSED for split in declared]
    groups = frame[GROUP].tolist() if GROUP in frame else None
    is_declared = TEST in splits
    if groups is not None and is_declared:
        check_declared(splits, groups, train=TRAIN, test=TEST)
    if not is_declared and test_fraction is not None:
        inputs = [normal_input(value) for value in frame["input"]]
        if TIME in frame:
            _hold_out_newest(splits, frame, groups, inputs=inputs, test_fraction=test_fraction)
        elif groups is None:
            _hold_out(splits, labels, keys=inputs, order=order, test_fraction=test_fraction)
        else:
            _hold_out_groups(splits, labels, groups, inputs=inputs, test_fraction=test_fraction, seed=seed)
    tested = {group for group, split in zip(groups or (), splits, strict=False) if split == TEST}
    for row, split in enumerate(splits):
        if split == CHOSEN:
            splits[row] = UNUSED if groups is not None and groups[row] in tested else TRAIN
    if test_rows is not None:
        _cap(splits, labels, TEST, order=order, quota=_shares(splits, labels, TEST, rows=test_rows))
    if rows_per_class is not None:
        _cap(splits, labels, TRAIN, order=order[::-1], quota=dict.fromkeys(labels, rows_per_class))
    return splits


def cap_rows(frame: pd.DataFrame, *, seed: int, rows: int | None) -> pd.DataFrame:
    """At most ``rows`` rows with the labels in the same proportions, sorted by id."""
    chosen = frame.sort_values("id", ignore_index=True)
    if rows is None or len(frame) <= rows:
        return chosen
    ids, labels = chosen["id"].tolist(), chosen["label"].tolist()
    order = [row for _, row in sorted(zip(hash_order(ids, seed=seed), range(len(ids)), strict=True))]
    splits = [TRAIN] * len(ids)
    _cap(splits, labels, TRAIN, order=order, quota=_shares(splits, labels, TRAIN, rows=rows))
    return chosen[[split == TRAIN for split in splits]].reset_index(drop=True)


def _hold_out_newest(
    splits: list[str], frame: pd.DataFrame, groups: list[str] | None, *, inputs: list[str], test_fraction: float
) -> None:
    rows = [row for row, split in enumerate(splits) if split == TRAIN]
    held = hold_out_newest(frame[TIME].to_numpy(dtype=float)[rows], test_fraction=test_fraction)
    bound = bound_rows(groups or frame["id"].tolist(), inputs)
    tested = {bound[row] for row, is_held in zip(rows, held, strict=True) if is_held}
    for row, is_held in zip(rows, held, strict=True):
        splits[row] = TEST if is_held else UNUSED if bound[row] in tested else TRAIN


def _hold_out_groups(
    splits: list[str], labels: list[str], groups: list[str], *, inputs: list[str], test_fraction: float, seed: int
) -> None:
    bound = bound_rows(groups, inputs)
    rows = [row for row, split in enumerate(splits) if split == TRAIN]
    places = hash_order([groups[row] for row in rows], seed=seed)
    held = hold_out_groups(
        [labels[row] for row in rows], [int(bound[row]) for row in rows], places=places, test_fraction=test_fraction
    )
    for row, is_held in zip(rows, held, strict=True):
        if is_held:
            splits[row] = TEST


def _hold_out(splits: list[str], labels: list[str], *, keys: list[str], order: list[int], test_fraction: float) -> None:
    """Move whole groups of equal inputs to the test, each label up to its share, leaving at least one group to learn from."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row in order:
        if splits[row] == TRAIN:
            groups[keys[row]].append(row)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for rows in groups.values():
        by_label[min(labels[row] for row in rows)].append(rows)
    for members in by_label.values():
        wanted = max(1, round(test_fraction * sum(map(len, members))))
        for rows in members[:-1]:
            if len(rows) <= wanted:
                wanted -= len(rows)
                for row in rows:
                    splits[row] = TEST


def _shares(splits: list[str], labels: list[str], split: str, *, rows: int) -> dict[str, int]:
    """label -> rows, in proportion, by largest remainder; every label keeps one as long as there are enough."""
    counts: dict[str, int] = defaultdict(int)
    for found, label in zip(splits, labels, strict=True):
        counts[label] += found == split
    present = {label: n for label, n in sorted(counts.items()) if n}
    total = sum(present.values())
    if rows >= total:
        return present
    floor = 1 if rows >= len(present) else 0
    quota = {label: max(floor, rows * n // total) for label, n in present.items()}
    by_need = sorted(present, key=lambda label: (quota[label] - rows * present[label] / total, label))
    while (missing := rows - sum(quota.values())) > 0:
        for label in by_need[:missing]:
            quota[label] += quota[label] < present[label]
    while sum(quota.values()) > rows:
        quota[max(sorted(quota), key=quota.__getitem__)] -= 1
    return quota


def _cap(splits: list[str], labels: list[str], split: str, *, order: list[int], quota: dict[str, int]) -> None:
    """Leave the first ``quota`` rows of each label in ``split``; the others become unused."""
    left = dict(quota)
    for row in order:
        if splits[row] == split:
            if left.get(labels[row], 0) > 0:
                left[labels[row]] -= 1
            else:
                splits[row] = UNUSED
