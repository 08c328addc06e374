"""Tune the backbone on the selected source."""

from __future__ import annotations

import time
from pathlib import Path

from rootstock.classifier import read_card
from rootstock.errors import DataError, unknown_name
from rootstock.finetuning.checkpoint import forget
from rootstock.finetuning.save import Lineage, save_model
from rootstock.finetuning.starts import kept_training, published_encoder
from rootstock.params import BackboneParams, DataParams, FineTuningParams
from rootstock.part import Start
from rootstock.records import Artifact, Curve, Incumbent, PreparedData, Selection, TunedBackbone, sources_of
from rootstock.source_data import find_source


def tune(
    prepared: PreparedData,
    selection: Selection,
    incumbent: Incumbent,
    *,
    data: DataParams,
    backbone: BackboneParams,
    finetuning: FineTuningParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> TunedBackbone:
    """Learn the selected source's own labels on the selected backbone; nothing of the target is seen. Of several, all rows at once.

    The champion or an earlier version is a start already. With the backbone alone selected it stays as it is; so it does with
    "from scratch", which is a control and no start: random weights have nothing to fine-tune from. Raises DataError if the source
    or version selected is not there.
    """
    if selection.chosen_kind in ("champion", "version"):
        return _as_registered(selection, _registered_model(selection, incumbent))
    if selection.chosen_kind != "domain":
        return TunedBackbone(
            source=None, backbone=selection.backbone, method="none", model=None, matched_labels={}, rows=0, curves=(), seconds=0.0
        )
    started = time.perf_counter()
    source = find_source(selection.chosen, prepared.sources)
    encoder = published_encoder(selection.backbone, data=data, backbone=backbone, workspace=workspace)
    rows = source.rows(encoder)
    keep = kept_training(finetuning, workspace=workspace, folder=folder)
    start = Start(encoder.load, len(source.labels), None, keep, finetuning.precision == "auto")
    method = finetuning.source
    fitted = method.fit(start, rows, heldout=None, setting=None, seed=seed)
    saved = save_model(
        folder / "model", fitted, labels=source.labels, modality=data.modality,
        lineage=Lineage(selection.backbone, backbone.pooling, None), name="-and-".join(sources_of(source.name)), inputs=rows.inputs,
    )  # fmt: skip
    curve = Curve(
        name=f"training loss on {source.name}", unit="nats a row",
        x=tuple(float(epoch + 1) for epoch in range(len(fitted.losses))), y=fitted.losses,
    )  # fmt: skip
    forget(keep.folder)
    return TunedBackbone(
        source=source.name, backbone=selection.backbone, method=method.name, model=saved, matched_labels=selection.matched_labels,
        rows=len(rows.labels), curves=(curve,), seconds=time.perf_counter() - started,
    )  # fmt: skip


def _registered_model(selection: Selection, incumbent: Incumbent) -> Artifact:
    if selection.chosen_kind == "champion":
        if incumbent.model is None:
            raise DataError("selection: expected a champion to start from, found none in the registry; run 'rootstock run' again")
        return incumbent.model
    wanted = str(selection.chosen).removeprefix("version ")
    for earlier in incumbent.earlier:
        if earlier.version == wanted:
            return earlier.model
    known = (earlier.version for earlier in incumbent.earlier)
    raise DataError(f"selection: {unknown_name('earlier version', wanted, known)}; run 'rootstock run' again")


def _as_registered(selection: Selection, model: Artifact) -> TunedBackbone:
    """The model as it stands; the backbone beneath is the one it was trained on, whatever the params name today."""
    return TunedBackbone(
        source=selection.chosen, backbone=read_card(Path(model.path)).base.name, method="none", model=model,
        matched_labels=selection.matched_labels, rows=0, curves=(), seconds=0.0,
    )  # fmt: skip
