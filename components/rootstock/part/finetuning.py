"""Parts that fit a model, what they start from and what they give back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from rootstock.part.base import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder
    from rootstock.head import AnyHead, Head

#: Unit of the setting of a method that is trained by epochs: its held-out losses make a learning curve.
EPOCHS = "epochs"


@dataclass(frozen=True)
class Rows:
    """Labelled rows, with their features under the encoder that fitting starts from."""

    inputs: Sequence[Any]
    labels: NDArray[np.int64]
    """(n,) indices of classes"""
    features: NDArray[np.float64]
    """(n, d)"""
    groups: NDArray[np.int64] | None = field(default=None, kw_only=True)
    """(n,) rows of one number hang together, and fall on one side of every fold; None where each stands for itself"""


@dataclass(frozen=True)
class UnlabelledRows:
    """Rows of the target that have no label, or none that may be read; none of them is tested on. There is at least one."""

    inputs: Callable[[int], Sequence[Any]]
    """at most so many, always the same first ones"""
    features: Callable[[int], NDArray[np.float64]]
    """(n, d) of those under the encoder that fitting starts from"""


@dataclass(frozen=True)
class Keep:
    """Where unfinished training is kept, and how often."""

    folder: Path
    seconds: float
    """between two checkpoints"""


@dataclass(frozen=True)
class Start:
    """What fitting starts from."""

    load: Callable[[], Encoder]
    """gives a fresh copy that may be changed"""
    classes: int
    prior: Head | None
    """a linear head over these classes that was learned before, on the same features; None where there is none"""
    keep: Keep | None = None
    """None: what is stopped is lost"""
    bfloat16: bool = False
    """whether frozen weights may be held, and a GPU may compute forward passes, in bfloat16 while weights are trained"""
    unlabelled: UnlabelledRows | None = None
    """None where there are none"""
    states: dict[int, dict[Any, Any]] = field(default_factory=dict, compare=False, repr=False)
    """layers below -> input -> its hidden states (tokens, d), below all layers its pixels (0, -1); shared by all that fit from
    here: folds read the same rows"""


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier, in memory."""

    head: AnyHead
    encoder: Encoder | None
    """the changed encoder; None when it was left as it was"""
    heldout: dict[float, NDArray[np.float64]]
    """setting -> (n_heldout, c) probabilities"""
    losses: tuple[float, ...]
    """mean training loss an epoch, nats a row"""
    trainable_parameters: int
    notes: tuple[str, ...] = ()
    """what people should know of it: what went otherwise than asked for, what else it learned from"""


class Augmentation(Part, ABC):
    """A change to a training row after which its label is still true."""

    family: ClassVar[str] = "augmentation"
    package: ClassVar[str] = "rootstock.finetuning.augmentation"

    reads: ClassVar[str]
    """name of the modality whose inputs it changes"""

    @abstractmethod
    def augment(self, inputs: Sequence[Any], *, seed: int) -> Sequence[Any]:
        """n changed inputs in the same order; the same seed gives the same ones. ``inputs`` stay as they are.

        An image comes as its file's bytes, as pixels, or opened, from the augmentation before, and goes opened (Pillow).
        """


class FineTuneMethod(Part, ABC):
    """A way to fit a classifier on labelled rows, starting from a backbone."""

    family: ClassVar[str] = "fine-tuning method"
    package: ClassVar[str] = "rootstock.finetuning"

    setting_unit: ClassVar[str]
    """What cross-validation chooses for this method: ``epochs``, or the unit of its own setting."""

    def layers_needed(self) -> int:
        """Layers of the backbone that it must be able to tell apart: one with fewer, or none that are found, it cannot train."""
        return 0

    @abstractmethod
    def fit(self, start: Start, rows: Rows, *, heldout: Rows | None, setting: float | None, seed: int) -> Fitted:
        """Fit on ``rows``. ``heldout`` rows (never the test's) are only predicted, once a setting (epochs, a penalty), so that
        cross-validation can choose one; with ``setting`` given, that one is fitted and nothing is chosen."""
