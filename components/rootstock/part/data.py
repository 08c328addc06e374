"""Parts that read and check data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from rootstock.part.base import Part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from rootstock.records import CheckResult, Dataset


class Modality(Part, ABC):
    """What one row's input is (a text, an image) and how it becomes tensors for a backbone."""

    family: ClassVar[str] = "modality"
    package: ClassVar[str] = "rootstock.data"

    @abstractmethod
    def load_processor(self, folder: Path) -> Any:
        """The tokenizer or image processor saved in a backbone's or model's folder."""

    @abstractmethod
    def copy_processor(self, base: Path, folder: Path) -> None:
        """Write to ``folder`` what ``load_processor`` reads, from the folder of a backbone; the same bytes every time."""

    @abstractmethod
    def tensors(self, inputs: Sequence[Any], processor: Any) -> dict[str, Any]:
        """A batch of n inputs as keyword tensors for the backbone's ``forward``."""

    def arrays(self, inputs: Sequence[Any], processor: Any) -> list[NDArray[Any]] | None:
        """What n inputs are when the dear part of reading them is done, one array each; None where no part of it is dear."""
        return None

    def tensors_of(self, arrays: Sequence[NDArray[Any]], processor: Any) -> dict[str, Any]:
        """What ``tensors`` gives of inputs, to the bit, from their ``arrays``."""
        raise NotImplementedError(f"{self.name} keeps no arrays")

    def to_be_changed(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """n inputs as augmentations change them: without what a backbone cannot see, where changing that would take long."""
        return inputs

    @abstractmethod
    def lengths(self, inputs: Sequence[Any], processor: Any) -> NDArray[np.int64]:
        """A cost for each of n inputs, (n,), by which batches are sorted so that little padding is computed."""

    @abstractmethod
    def surface_features(self, fit_on: Sequence[Any], inputs: Sequence[Any]) -> Any:
        """Classical features, (n, f), fitted on ``fit_on``: what the classical baseline sees."""

    @abstractmethod
    def descriptors(self, inputs: Sequence[Any]) -> pd.DataFrame:
        """Readable numeric descriptors of n inputs (length, share of digits, brightness), (n, k): what drift is told in."""

    def probes(self) -> tuple[Any, ...]:
        """A few inputs that come from no data set: a model is known again by its answers to them. None for a modality without."""
        return ()


class Check(Part, ABC):
    """One question to ask of a dataset before anything is learned from it."""

    family: ClassVar[str] = "check"
    package: ClassVar[str] = "rootstock.validation"

    @abstractmethod
    def inspect(self, rows: pd.DataFrame, dataset: Dataset) -> CheckResult:
        """Judge the rows of all splits at once; columns ``id``, ``input``, ``label``, ``split``."""
