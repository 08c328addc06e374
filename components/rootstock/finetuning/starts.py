"""What the target can be learned from: the backbone as it was published, and the same with what it has learned of a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rootstock.finetuning.out_of_fold import measurable_start
from rootstock.params import BackboneParams, DataParams, FineTuningParams
from rootstock.part import Keep
from rootstock.records import Artifact, PreparedData, TunedBackbone
from rootstock.rows import EncoderSource, bare_encoder, feature_folder, tuned_encoder


@dataclass(frozen=True)
class Starts:
    """The encoders that fitting may start from."""

    bare: EncoderSource
    transferred: EncoderSource | None
    """None where nothing was learned from, or what was learned may not be used"""
    model: Artifact | None
    """that ``transferred`` is of"""
    barred: str
    """why a model that there is may not be used; empty otherwise"""
    keep: Keep


def published_encoder(name: str, *, data: DataParams, backbone: BackboneParams, workspace: str) -> EncoderSource:
    """A backbone as it was published, read as the params say."""
    return bare_encoder(
        name, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows, cache_folder=feature_folder(workspace)
    )


def kept_training(finetuning: FineTuningParams, *, workspace: str, folder: Path) -> Keep:
    """Where the unfinished training of the stage that writes to ``folder`` is kept."""
    return Keep(Path(workspace) / "checkpoints" / folder.name, 60 * finetuning.checkpoint_minutes)


def find_starts(
    prepared: PreparedData,
    tuned: TunedBackbone,
    *,
    data: DataParams,
    backbone: BackboneParams,
    finetuning: FineTuningParams,
    workspace: str,
    folder: Path,
) -> Starts:
    """The starts of the stage that writes to ``folder``; no tuned one where models are measured on rows that it learned from."""
    model, barred = measurable_start(prepared.target, tuned)
    cache = feature_folder(workspace)
    return Starts(
        bare=published_encoder(tuned.backbone, data=data, backbone=backbone, workspace=workspace),
        transferred=tuned_encoder(model, batch_rows=backbone.batch_rows, cache_folder=cache) if model else None,
        model=model,
        barred=barred,
        keep=kept_training(finetuning, workspace=workspace, folder=folder),
    )
