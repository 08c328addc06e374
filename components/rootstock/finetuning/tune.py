"""Tune the backbone on the chosen source."""

from __future__ import annotations

import time
from pathlib import Path

from rootstock.finetuning.save import Lineage, save_model
from rootstock.params import BackboneParams, DataParams, FineTuningParams
from rootstock.part import Start
from rootstock.records import Curve, Incumbent, PreparedData, SourceRanking, TunedBackbone
from rootstock.rows import bare_encoder, feature_folder


def tune(
    prepared: PreparedData,
    ranking: SourceRanking,
    incumbent: Incumbent,
    *,
    data: DataParams,
    backbone: BackboneParams,
    finetuning: FineTuningParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> TunedBackbone:
    """Learn the chosen source's own labels; nothing of the target is seen.

    With no source chosen the backbone stays as it is, and with the champion chosen its own weights are the start.
    """
    if ranking.chosen_kind != "domain":
        model = incumbent.model if ranking.chosen_kind == "champion" else None
        return TunedBackbone(source=ranking.chosen, method="none", model=model, rows=0, curves=(), seconds=0.0)
    started = time.perf_counter()
    source = next(dataset for dataset in prepared.sources if dataset.name == ranking.chosen)
    encoder = bare_encoder(
        backbone.name, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows,
        cache_folder=feature_folder(workspace),
    )  # fmt: skip
    rows = encoder.rows(source, "train")
    start = Start(encoder.load, len(source.labels), None)
    method = finetuning.source
    fitted = method.fit(start, rows, heldout=None, setting=None, seed=seed)
    saved = save_model(
        folder / "model", fitted, labels=source.labels, modality=data.modality,
        lineage=Lineage(backbone.name, backbone.pooling, None), name=source.name, inputs=rows.inputs,
    )  # fmt: skip
    curve = Curve(
        name=f"training loss on {source.name}", unit="nats a row",
        x=tuple(float(epoch + 1) for epoch in range(len(fitted.losses))), y=fitted.losses,
    )  # fmt: skip
    return TunedBackbone(
        source=source.name, method=method.name, model=saved, rows=len(rows.labels),
        curves=(curve,), seconds=time.perf_counter() - started,
    )  # fmt: skip
