"""Which data sets are embedded by which backbones, and how fast that went."""

from __future__ import annotations

from pathlib import Path

from rootstock.files import sha256_of_json
from rootstock.params import Params
from rootstock.records import PreparedData, Value
from rootstock.rows import bare_encoder, feature_folder
from rootstock.similarity.candidates import CandidateSpec


class Embedding(Value):
    """One data set embedded by one backbone: how fast that went."""

    backbone: str
    dataset: str
    rows: int
    seconds: float


class Scoring(Value):
    """What scoring side by side did, and how long it took."""

    task_runner: str
    workers: int
    candidates: int
    embeddings: tuple[Embedding, ...]
    """those that had not been kept"""
    embedding_seconds: float
    scoring_seconds: float
    """of all that is not embedding: libraries loaded, workers started, candidates scored"""
    seconds: float

    def says(self) -> str:
        """What was done, in one line."""
        rows = sum(each.rows for each in self.embeddings)
        embedded = f", {rows} rows embedded for it" if rows else ""
        return f"{self.candidates} candidates, {self.workers} at a time ({self.task_runner}){embedded}"


def embeddings_wanted(specs: tuple[CandidateSpec, ...], prepared: PreparedData) -> tuple[tuple[str, str], ...]:
    """Pairs of backbone and data set that scoring reads: the target under each backbone, and each source that is not barred."""
    sources = {source.name for source in prepared.sources}
    wanted: dict[tuple[str, str], None] = {}
    for spec in specs:
        if spec.excluded is None and spec.kind in ("backbone", "domain"):
            wanted[spec.backbone, prepared.target.name] = None
            if spec.source in sources:
                wanted[spec.backbone, spec.source] = None
    return tuple(wanted)


def embedding_mark(backbone: str, rows_sha256: str, params: Params) -> Path:
    """File that says how fast these rows were embedded; it is there once they are."""
    encoder = bare_encoder(
        backbone, params.data.modality, pooling=params.backbone.pooling, batch_rows=params.backbone.batch_rows,
        cache_folder=feature_folder(params.workspace),
    )  # fmt: skip
    return Path(params.workspace) / "scores" / "embeddings" / f"{sha256_of_json([encoder.key, rows_sha256])[:32]}.json"
