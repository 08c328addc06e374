"""An exported model against the tested one, on the same rows: the figures, and whether it may ship."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.errors import Refusal
from rootstock.export.figures import ExportedFormat
from rootstock.files import sha256_of
from rootstock.paired import pair_of, score_interval
from rootstock.records import Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Share of rows on which a format in fp32 must give the label of the tested model.
EQUAL_LABELS = 0.999
#: Largest difference of a probability that float rounding explains; it is usually below 1e-5.
ROUNDING = 1e-3
MIB = 1 << 20


@dataclass(frozen=True)
class Reference:
    """What the tested model says of n rows."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    """(n, c)"""
    labels: Sequence[str] | None
    """what the rows are, where that is known"""

    def right(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """(n,) whether the likeliest class is the row's label; None without labels."""
        import numpy as np

        if self.labels is None:
            return None
        place = {label: index for index, label in enumerate(self.classes)}
        wanted = np.array([place[label] for label in self.labels])
        return np.asarray(probabilities.argmax(axis=1) == wanted)


@dataclass(frozen=True)
class Answers:
    """What a reloaded format says of the same rows."""

    classes: tuple[str, ...]
    alone: NDArray[np.float64]
    """(n, c) probabilities, a row at a time"""
    picked: NDArray[np.int64]
    """(b,) rows answered in batches too"""
    batched: NDArray[np.float64]
    """(b, c)"""
    milliseconds: NDArray[np.float64]
    """(n,)"""
    packages: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Answers:
        """From the file that ``rootstock.export.check`` wrote."""
        import numpy as np

        with np.load(path) as kept:
            return cls(
                classes=tuple(map(str, kept["labels"])), alone=kept["alone"], picked=kept["picked"], batched=kept["batched"],
                milliseconds=kept["milliseconds"], packages=json.loads(str(kept["packages"])),
            )  # fmt: skip


def share(hits: NDArray[np.bool_], *, confidence: float) -> Measure:
    """Share of rows that are True, with Wilson's interval."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(int(hits.sum()), len(hits), alpha=1 - confidence, method="wilson")
    return Measure(value=float(hits.mean()), low=float(low), high=float(high), n=len(hits), unit="share", higher_is_better=True)


def compare(name: str, folder: Path, tested: Reference, answers: Answers, *, confidence: float) -> ExportedFormat:
    """The figures of the format in ``folder``. Raises Refusal if it has other classes, or probabilities that are no numbers."""
    import numpy as np

    if answers.classes != tested.classes or answers.alone.shape != tested.probabilities.shape:
        raise Refusal(
            f"{name}: expected classes {', '.join(tested.classes)}, found {', '.join(answers.classes)}; nothing was written"
        )
    broken = np.flatnonzero(~np.isfinite(answers.alone).all(axis=1))
    if len(broken) or not np.isfinite(answers.batched).all():
        where = f" in {len(broken)} of {len(answers.alone)} rows, first row {broken[0] + 1}" if len(broken) else " in batches"
        raise Refusal(f"{name}: expected probabilities, found values that are not finite{where}; nothing was written")
    before, after = tested.right(tested.probabilities), tested.right(answers.alone)
    equal = answers.alone.argmax(axis=1) == tested.probabilities.argmax(axis=1)
    return ExportedFormat(
        name=name,
        folder=folder.name,
        sha256=sha256_of(folder),
        mib=mib(folder),
        equal_labels=share(equal, confidence=confidence),
        largest_difference=float(np.abs(answers.alone - tested.probabilities).max()),
        batch_difference=float(np.abs(answers.batched - answers.alone[answers.picked]).max()),
        accuracy=share(after, confidence=confidence) if after is not None else None,
        points_lost=_points(before, after, confidence=confidence) if before is not None and after is not None else None,
        milliseconds_per_row=round(float(np.median(answers.milliseconds)), 3),
        packages=answers.packages,
    )


def _points(before: NDArray[np.bool_], after: NDArray[np.bool_], *, confidence: float) -> Measure:
    pair = pair_of(before, after)
    low, high = score_interval(pair, confidence=confidence)
    return Measure(
        value=100 * pair.difference, low=100 * low, high=100 * high, n=pair.n, unit="points of accuracy", higher_is_better=False
    )


def mib(folder: Path) -> float:
    """Size of all files under a folder."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MIB, 3)


def refuse_other_answers(found: ExportedFormat) -> None:
    """Raise Refusal if a format in fp32 does not answer as the tested model does, up to float rounding."""
    equal = found.equal_labels
    changed = round(equal.n * (1 - equal.value))
    if equal.value < EQUAL_LABELS:
        raise Refusal(
            f"{found.name}: expected the tested model's label on at least {EQUAL_LABELS:.1%} of {equal.n} rows, found another on "
            f"{changed} (largest difference of a probability {found.largest_difference:.3g}); nothing was written: this file is "
            "not the model that was tested"
        )
    for difference, what in ((found.largest_difference, "the tested model"), (found.batch_difference, "the same rows in batches")):
        if difference > ROUNDING:
            raise Refusal(
                f"{found.name}: expected probabilities within {ROUNDING:g} of {what}, found a difference of {difference:.3g} over "
                f"{equal.n} rows; nothing was written: this file is not the model that was tested"
            )


def refuse_loss(found: ExportedFormat, *, max_loss_points: float) -> None:
    """Raise Refusal if a quantised format loses more accuracy than allowed.

    Without labels the share of changed labels stands for the loss: it cannot be larger.
    """
    lost = found.points_lost
    points = lost.value if lost is not None else 100 * (1 - found.equal_labels.value)
    if points > max_loss_points:
        what = (
            f"points of accuracy ({lost.low:.1f} to {lost.high:.1f})"
            if lost is not None
            else "points at most: the labels of so many rows in a hundred changed, and whether they were right is not known"
        )
        raise Refusal(
            f"{found.name}: expected a loss of at most {max_loss_points:g} points, found {points:.1f} {what} on "
            f"{found.equal_labels.n} rows; nothing was written; ship a format in fp32, or allow more with --max-loss-points"
        )
