"""Classes that are not what they were when the champion was trained: added, removed, renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassChanges:
    """From the champion's classes to the task's."""

    labels: tuple[str, ...]
    """the champion's, in its own order, by their names of today; each once"""
    shared: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: dict[str, str]
    """as the champion learned it -> today"""

    def sentence(self) -> str:
        """What changed, for people; "" where nothing did."""
        parts = [
            f"added: {', '.join(self.added)}" if self.added else "",
            f"removed: {', '.join(self.removed)}" if self.removed else "",
            f"renamed: {', '.join(f'{old} to {new}' for old, new in self.renamed.items())}" if self.renamed else "",
        ]
        return "; ".join(part for part in parts if part)


def class_changes(learned: Sequence[str], wanted: Sequence[str], renamed: Mapping[str, str]) -> ClassChanges:
    """Compare the labels a champion ``learned`` with the task's ``wanted`` ones; ``renamed`` maps old names to those of today."""
    labels = tuple(dict.fromkeys(renamed.get(label, label) for label in learned))
    return ClassChanges(
        labels=labels,
        shared=tuple(sorted(set(labels) & set(wanted))),
        added=tuple(sorted(set(wanted) - set(labels))),
        removed=tuple(sorted(set(labels) - set(wanted))),
        renamed={label: renamed[label] for label in learned if renamed.get(label, label) != label},
    )


def under_names_of_today(probabilities: NDArray[np.float64], learned: Sequence[str], changes: ClassChanges) -> NDArray[np.float64]:
    """(n, c') from (n, c): columns in the order of ``changes.labels``, summed where two classes became one."""
    import numpy as np

    if not changes.renamed:
        return probabilities
    place = [changes.labels.index(changes.renamed.get(label, label)) for label in learned]
    return probabilities @ np.eye(len(changes.labels))[place]
