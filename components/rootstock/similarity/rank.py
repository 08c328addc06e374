"""Rank what the target could learn from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier, input_hash, read_card, training_hashes
from rootstock.head import log_probabilities, logistic_head, scaled
from rootstock.params import BackboneParams, DataParams, SimilarityParams
from rootstock.part import Labelled, Pair, Rows, SimilarityMetric
from rootstock.records import Candidate, Dataset, Incumbent, PreparedData, SourceRanking, ValidationReport
from rootstock.rows import EncoderSource, bare_encoder, feature_folder, tuned_encoder
from rootstock.similarity.choose import choose, combine
from rootstock.similarity.predicted_gain import predict_gain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Inverse penalty of the heads fitted on sources: they have many rows, so it hardly matters.
SOURCE_INVERSE_PENALTY = 10.0
CHAMPION = "champion"
BACKBONE = "backbone alone"


def rank(
    prepared: PreparedData,
    validation: ValidationReport,
    incumbent: Incumbent,
    *,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> SourceRanking:
    """Score every source domain, the champion and the backbone alone on the target's labelled rows, and choose one.

    All candidates are scored on the same rows: those that the champion has not learned from, where there is one.
    """
    started = time.perf_counter()
    bare = bare_encoder(
        backbone.name, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows,
        cache_folder=feature_folder(workspace),
    )  # fmt: skip
    everything = bare.rows(prepared.target, "train")
    rows, note = _rows_to_score(everything, incumbent)
    target = Labelled(everything.features[rows], everything.labels[rows], prepared.target.labels)
    pairs = {BACKBONE: Pair(target, None, None, (), scaled(target.features))}
    sources = [source for source in prepared.sources if source.name not in validation.excluded_sources]
    pairs |= {source.name: _pair(target, source, bare) for source in sources}
    excluded = dict(validation.excluded_sources)
    if incumbent.model is not None and note is None:
        pairs[CHAMPION] = _champion_pair(target, prepared.target, incumbent, workspace, rows, backbone.batch_rows)
    elif note is not None:
        excluded[CHAMPION] = note
    candidates = _score(pairs, similarity, seed=seed)
    candidates += [_excluded(name, reason, similarity.metrics) for name, reason in sorted(excluded.items())]
    return choose(combine(candidates, similarity.metrics), similarity, rows=len(rows), seconds=time.perf_counter() - started)


def _rows_to_score(everything: Rows, incumbent: Incumbent) -> tuple[NDArray[np.int64], str | None]:
    """Indices of the rows to score on, and why the champion cannot be scored, if so."""
    import numpy as np

    count = len(everything.labels)
    if incumbent.model is None:
        return np.arange(count), None
    seen = training_hashes(Path(incumbent.model.path))
    unseen = np.array([index for index, value in enumerate(everything.inputs) if input_hash(value) not in seen], dtype=np.int64)
    smallest = np.bincount(everything.labels[unseen], minlength=int(everything.labels.max()) + 1).min() if len(unseen) else 0
    if smallest >= 2:
        return unseen, None
    return np.arange(count), (
        f"it has already learned from {count - len(unseen)} of the {count} labelled rows; scoring it needs 2 new ones a class"
    )


def _pair(target: Labelled, source: Dataset, encoder: EncoderSource) -> Pair:
    rows = encoder.rows(source, "train")
    head = logistic_head(rows.features, rows.labels, classes=len(source.labels), inverse_penalty=SOURCE_INVERSE_PENALTY)
    said = log_probabilities(target.features, head)
    offered = _beside(scaled(target.features), said)
    return Pair(target, Labelled(rows.features, rows.labels, source.labels), said, source.labels, offered)


def _champion_pair(
    target: Labelled, dataset: Dataset, incumbent: Incumbent, workspace: str, rows: NDArray[np.int64], batch_rows: int
) -> Pair:
    if incumbent.model is None:
        raise TypeError("there is no champion to score")
    folder = Path(incumbent.model.path)
    encoder = tuned_encoder(incumbent.model, batch_rows=batch_rows, cache_folder=feature_folder(workspace))
    features = encoder.rows(dataset, "train").features[rows]
    head = Classifier.load_head(folder)
    said = log_probabilities(features, head, normalise=read_card(folder).normalise)
    return Pair(target, None, said, read_card(folder).labels, scaled(features))


def _beside(features: NDArray[np.float64], said: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features and a head's outputs side by side, both of mean length one."""
    import numpy as np

    centred = said - said.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=1).mean())
    return np.hstack([features, centred / max(float(length), 1e-12)])


def _score(pairs: dict[str, Pair], similarity: SimilarityParams, *, seed: int) -> list[Candidate]:
    alone = pairs[BACKBONE].representation
    kinds = {BACKBONE: "backbone", CHAMPION: "champion"}
    return [
        Candidate.model_validate(
            {
                "source": name,
                "kind": kinds.get(name, "domain"),
                "scores": {metric.name: metric.measure(pair) for metric in similarity.metrics},
                "combined": None,
                "predicted_gain": None
                if name == BACKBONE
                else predict_gain(pair.representation, alone, labels=pair.target.labels, similarity=similarity, seed=seed),
                "rows": len(pair.target.labels),
                "excluded": None,
            }
        )
        for name, pair in pairs.items()
    ]


def _excluded(name: str, reason: str, metrics: Sequence[SimilarityMetric]) -> Candidate:
    return Candidate(
        source=name,
        kind="champion" if name == CHAMPION else "domain",
        scores={metric.name: None for metric in metrics},
        combined=None,
        predicted_gain=None,
        rows=0,
        excluded=reason,
    )
