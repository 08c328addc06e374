"""One short tuning of one candidate, tried on the target's labelled rows, and kept: a run that was killed goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock import processes
from rootstock.files import sha256_of_json, write_text
from rootstock.finetuning.crossvalidate import Option, held_out_probabilities, row_losses, stratified_folds, take
from rootstock.finetuning.halving import Trial
from rootstock.finetuning.linear_probe import LinearProbe
from rootstock.head import Head, match_classes
from rootstock.params import SimilarityParams
from rootstock.part import Rows, Start
from rootstock.records import Candidate, Dataset
from rootstock.rows import EncoderSource
from rootstock.source_data import SourceData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.encoder import Encoder

#: Inverse penalties of the head on the target, the best for each trial: from "what the source taught" to "what the rows say".
PROBE = LinearProbe(regularisations=(0.01, 0.1, 1.0, 10.0, 100.0))


@dataclass(frozen=True)
class Course:
    """What every trial is measured on."""

    target: Dataset
    similarity: SimilarityParams
    seed: int
    folder: Path
    """where trials are kept"""


def try_no_transfer(course: Course, encoder: EncoderSource) -> Trial:
    """The control: a head on the backbone as it is."""
    losses, correct = _measure(course, encoder.rows(course.target, "train"), prior=None)
    return Trial(source_rows=0, row_passes=0, losses=losses, correct=correct)


def try_candidate(course: Course, candidate: Candidate, source: SourceData, *, encoder: EncoderSource, rows: int) -> Trial:
    """Tune the backbone on so many rows of the source, then cross-validate a head drawn towards the source's on the target.

    Kept by content of all that it depends on; a kept one that cannot be read is made again.
    """
    method = course.similarity.halving.method
    path = course.folder / f"{_key(course, candidate, source, encoder=encoder, rows=rows)}.json"
    if (kept := processes.agreed(_read(path, course.target.splits["train"].rows))) is not None:
        return kept
    everything = source.rows(encoder)
    sample = take(everything, stratified_order(everything.labels, seed=course.seed)[:rows])
    fitted = method.fit(Start(encoder.load, len(source.labels), None), sample, heldout=None, setting=None, seed=course.seed)
    target: Rows = encoder.rows(course.target, "train")
    if fitted.encoder is not None:
        features = fitted.encoder.embed(target.inputs, f"embedding {course.target.name}")
        target = Rows(target.inputs, target.labels, features, groups=target.groups)
    wanted = [candidate.matched_labels.get(label, label) for label in course.target.labels]
    losses, correct = _measure(course, target, prior=match_classes(fitted.head, source.labels, wanted))
    passes = len(sample.labels) * max(1, len(fitted.losses))
    trial = Trial(source_rows=len(sample.labels), row_passes=passes, losses=losses, correct=correct)
    write_text(path, trial.model_dump_json() + "\n")
    return trial


def stratified_order(labels: NDArray[np.int64], *, seed: int) -> NDArray[np.int64]:
    """An order of n rows, drawn by ``seed``, in which the first m hold every class in its share, and at least once if m allows.

    So a larger sample holds the smaller one.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        rows = random.permutation(np.flatnonzero(labels == label))
        place[rows] = np.arange(len(rows)) / len(rows)
    return np.lexsort((random.random(len(labels)), place))


def _measure(course: Course, rows: Rows, *, prior: Head | None) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    """Log loss and correctness of each row, from its probabilities averaged over repeats, at the penalty with the lowest loss."""
    import numpy as np

    similarity, classes = course.similarity, len(course.target.labels)
    option = Option(PROBE, None, Start(_no_encoder, classes, prior), rows)
    totals = {penalty: np.zeros((len(rows.labels), classes)) for penalty in PROBE.regularisations}
    for repeat in range(similarity.repeats):
        splits = stratified_folds(rows.labels, folds=similarity.folds, seed=course.seed + repeat, groups=rows.groups)
        for penalty, probabilities in held_out_probabilities(option, splits, seed=course.seed).items():
            totals[penalty] += probabilities / similarity.repeats
    losses = {penalty: row_losses(p, rows.labels) for penalty, p in totals.items()}
    best = min(losses, key=lambda penalty: float(losses[penalty].mean()))
    correct = totals[best].argmax(axis=1) == rows.labels
    return tuple(losses[best].tolist()), tuple(correct.tolist())


def _no_encoder() -> Encoder:
    raise AssertionError("a probe reads features, never the encoder")


def _key(course: Course, candidate: Candidate, source: SourceData, *, encoder: EncoderSource, rows: int) -> str:
    similarity = course.similarity
    return sha256_of_json([
        encoder.key, similarity.halving.method.model_dump(mode="json"), PROBE.model_dump(mode="json"),
        source.sha256s, source.labels, rows, course.target.splits["train"].sha256, course.target.labels,
        candidate.matched_labels, similarity.folds, similarity.repeats, course.seed,
    ])[:32]  # fmt: skip


def _read(path: Path, labelled_rows: int) -> Trial | None:
    if not path.is_file():
        return None
    try:
        kept = Trial.model_validate_json(path.read_bytes())
    except ValueError:
        return None
    return kept if len(kept.losses) == len(kept.correct) == labelled_rows else None
