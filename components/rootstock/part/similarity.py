"""Parts that weigh a source, and what they see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from rootstock.groups import fewest_groups
from rootstock.part.base import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from rootstock.part.data import Modality

#: Unit of metrics that are log-likelihoods: the advisor divides them by log c, so that they compare between tasks.
NATS = "nats a row"
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Labelled:
    """Labelled rows with their frozen-backbone features."""

    inputs: Sequence[Any]
    """n raw inputs"""
    features: NDArray[np.float64]
    """(n, d) of the backbone's last layer, pooled"""
    layer_mean: NDArray[np.float64]
    """(n, d) mean over all layers, pooled"""
    labels: NDArray[np.int64]
    """(n,) indices into ``classes``"""
    classes: tuple[str, ...]
    groups: NDArray[np.int64] | None = None
    """(n,) rows of one number hang together; None where each stands for itself"""

    @property
    def can_be_split(self) -> bool:
        """Whether each class has two rows, of two groups, so that one can be held out."""
        return fewest_groups(self.labels, self.groups) >= 2


@dataclass(frozen=True)
class Unlabelled:
    """Rows of the target whose labels nobody knows or nobody may look at; none of them is tested on."""

    inputs: Sequence[Any]
    """n raw inputs"""
    features: NDArray[np.float64]
    """(n, d) of the backbone's last layer, pooled"""


@dataclass(frozen=True)
class Pair:
    """A target and one candidate to learn from, as every similarity metric sees them."""

    target: Labelled
    source: Labelled | None
    """None when the candidate has no rows to show: the backbone alone, the champion."""
    log_probabilities: NDArray[np.float64] | None
    """(n_target, c_head) of the target's rows under the candidate's own head, which never saw them; None without one."""
    head_classes: tuple[str, ...]
    """the c_head classes of that head; one that means a class of the target bears the target's name"""
    representation: NDArray[np.float64]
    """(n_target, d') what the candidate offers a linear head: its features, and its head's outputs beside them."""
    modality: Modality
    seed: int
    """of every random choice a metric makes"""
    unlabelled: Unlabelled | None
    """more rows of the target, for metrics that read no labels: there are usually many of these"""

    @property
    def domain_inputs(self) -> Sequence[Any]:
        """Inputs of the target, labelled or not."""
        return [*self.target.inputs, *(self.unlabelled.inputs if self.unlabelled else ())]

    @property
    def domain_features(self) -> NDArray[np.float64]:
        """(n, d) features of those."""
        import numpy as np

        return np.vstack([self.target.features, self.unlabelled.features]) if self.unlabelled else self.target.features


class SimilarityMetric(Part, ABC):
    """A number that says how much a candidate has to teach the target; higher is better."""

    family: ClassVar[str] = "similarity metric"
    package: ClassVar[str] = "rootstock.similarity"

    unit: ClassVar[str] = "score"
    """what the number counts, for people; ``NATS`` for log-likelihoods"""
    reads_labels: ClassVar[bool] = True
    """False for metrics of how near the source's rows lie to the target's, whatever their labels"""

    @abstractmethod
    def measure(self, pair: Pair) -> float | None:
        """The score, higher is better; None where it is not defined for this pair."""
