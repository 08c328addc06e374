"""Rows as one epoch sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rootstock.errors import ParamsError
from rootstock.files import sha256_of_json
from rootstock.part import Augmentation


def augmented(augmentations: Sequence[Augmentation], inputs: Sequence[Any], *, seed: int, epoch: int) -> Sequence[Any]:
    """The inputs that an epoch trains on, in their order: one augmentation after the other. Never for rows that are held out.

    The same seed and epoch give the same inputs, so a training that is resumed sees what the uninterrupted one saw.
    """
    for place, augmentation in enumerate(augmentations):
        own = int(sha256_of_json([seed, epoch, place])[:8], 16)
        inputs = augmentation.augment(inputs, seed=own)
    return inputs


def check_augmentations(augmentations: Sequence[Augmentation], *, modality: str) -> None:
    """Raise ParamsError for an augmentation that does not read what the rows are."""
    for augmentation in augmentations:
        if augmentation.reads != modality:
            raise ParamsError(
                f"augmentations: expected some that read {modality}, as data.modality says, found {augmentation.name}, which reads "
                f"{augmentation.reads}; remove it"
            )
