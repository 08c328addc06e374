"""Images are decoded and scaled once, not once an epoch: training reads what is seen of them, or what will be changed of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from rootstock.encoder import Encoder
from rootstock.finetuning.read_once import read_once
from rootstock.on_demand import chosen
from rootstock.part import Modality, Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ReadBefore:
    """Reads inputs that are ``arrays`` of a modality already, and others as that does: stands where that stands."""

    modality: Modality

    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """Those of the modality, to the bit."""
        import numpy as np

        return (self.modality.tensors_of if isinstance(inputs[0], np.ndarray) else self.modality.tensors)(inputs, processor)

    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """All alike: what is kept is of one shape."""
        import numpy as np

        return np.ones(len(inputs), dtype=np.int64)


def decoded_once(
    encoder: Encoder, rows: Rows, heldout: Rows | None, *, known: dict[Any, Any], rows_change: bool
) -> tuple[Encoder, Rows, Rows | None] | None:
    """An encoder and rows that give what these give, to the bit, without decoding images again.

    What is ``known`` of an image is not read again; where ``rows_change`` every epoch, only the held-out ones are read before. None
    where there is nothing dear to be saved (texts), or the disk has no room for it: 150 kB for an image of 224 x 224 pixels.
    """
    if encoder.modality.arrays(rows.inputs[:1], encoder.processor) is None:
        return None

    def make(inputs: Sequence[Any]) -> Sequence[Any]:
        return cast("Sequence[Any]", encoder.modality.arrays(inputs, encoder.processor))

    found = rows if rows_change else read_once(encoder, rows, make, label="reading images", known=known)
    held = read_once(encoder, heldout, make, label="reading images", known=known) if heldout is not None else None
    if found is None or (heldout is not None and held is None):
        return None
    return replace(encoder, modality=cast(Modality, ReadBefore(encoder.modality))), found, held


def to_be_changed(encoder: Encoder, rows: Rows, *, known: dict[Any, Any]) -> Sequence[Any]:
    """The inputs as augmentations change them, every epoch otherwise: images decoded and scaled down, once if the disk has room."""
    given = encoder.modality.to_be_changed(rows.inputs)
    if given is rows.inputs:
        return given

    def make(inputs: Sequence[Any]) -> Sequence[Any]:
        return chosen(encoder.modality.to_be_changed(inputs), range(len(inputs)))

    found = read_once(encoder, rows, make, label="reading images", known=known)
    return given if found is None else found.inputs
