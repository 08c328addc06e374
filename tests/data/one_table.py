"""A registry with one data set from a table, and what is prepared of it."""

from __future__ import annotations

from pathlib import Path

from rootstock.data import registry
from rootstock.data.card import make_card
from rootstock.data.prepare import prepare
from rootstock.data.read import read_dataset
from rootstock.data.resolve import resolve
from rootstock.params import DataParams
from rootstock.records import Dataset


def add(table: str, data: DataParams) -> None:
    """Add a file of the working directory as the target."""
    frame = read_dataset(table, data=data)
    registry.add(Path(data.registry), data.target, frame, card=make_card(frame, modality="text", origin="a test"))


def prepared(data: DataParams) -> Dataset:
    """The target, cut into splits."""
    found = resolve(data=data, workspace=".rootstock", folder=Path("out"))
    return prepare(found, data=data, seed=0, folder=Path("out")).target
