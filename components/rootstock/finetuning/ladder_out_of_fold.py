"""The baseline ladder, and the model beside it, where no labelled row can be spared for a test."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.files import write_file
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.finetune import options_of
from rootstock.finetuning.out_of_fold import FoldPlan, average_over_folds, measurable_start, nested_answers, plan_folds
from rootstock.finetuning.rungs import (
    answers_of,
    fit_from_scratch,
    ladder_table,
    majority_answers,
    notes_of_rungs,
    probe_option,
    surface_answers,
)
from rootstock.params import BackboneParams, DataParams, EvaluationParams, FineTuningParams
from rootstock.part import FineTuneMethod, Keep, Modality, Rows, parse_part
from rootstock.records import NO_TRANSFER, Artifact, Ladder, PreparedData, TrainedModel, TunedBackbone
from rootstock.rows import bare_encoder, feature_folder, read_split, tuned_encoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL = "model"


def climb_out_of_fold(
    prepared: PreparedData,
    tuned: TunedBackbone,
    trained: TrainedModel,
    *,
    data: DataParams,
    backbone: BackboneParams,
    finetuning: FineTuningParams,
    evaluation: EvaluationParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> Ladder:
    """Predict each labelled row with each rung and, as ``model``, with what is done to make the model, all on the same folds.

    The rungs are those of ``climb``. A search for learning rates, and the choice of the source, have seen all labelled rows: they
    are not made again in every fold. See out_of_fold.py for what is.
    """
    started = time.perf_counter()
    classes = prepared.target.labels
    cache = feature_folder(workspace)
    bare = bare_encoder(tuned.backbone, data.modality, pooling=backbone.pooling, batch_rows=backbone.batch_rows, cache_folder=cache)
    beginning, _ = measurable_start(prepared.target, tuned)
    transferred = tuned_encoder(beginning, batch_rows=backbone.batch_rows, cache_folder=cache) if beginning else None
    keep = Keep(Path(workspace) / "checkpoints" / folder.name, 60 * finetuning.checkpoint_minutes)
    as_chosen = finetuning.model_copy(update={"methods": _methods(trained, finetuning), "choose": "cross_validation"})
    options, _ = options_of(prepared, tuned, as_chosen, bare=bare, transferred=transferred, keep=keep)
    rows = bare.rows(prepared.target, "train")
    plan = plan_folds(rows.inputs, rows.labels, folds=evaluation.folds, repeats=evaluation.repeats, seed=seed)

    alone = [option for option in options if option.source is None and option.method.name == trained.method]
    made = nested_answers({MODEL: options, NO_TRANSFER: alone}, plan, folds=finetuning.folds, are_tempered=True)
    probe = nested_answers({"linear_probe": [probe_option(rows, len(classes))]}, plan, folds=finetuning.folds, are_tempered=False)
    predictions = {
        MODEL: made[MODEL],
        **_fixed_rungs(
            rows, plan, tuned.backbone, modality=data.modality, backbone=backbone, evaluation=evaluation, c=len(classes)
        ),
        **probe,
        NO_TRANSFER: made[NO_TRANSFER if trained.source else MODEL],
    }
    ids = [str(name) for name in read_split(prepared.target, "train")["id"]]
    path = folder / "ladder.parquet"
    write_file(path, lambda temporary: ladder_table(ids, predictions, classes).to_parquet(temporary, index=False))
    shutil.rmtree(keep.folder, ignore_errors=True)
    return Ladder(
        predictions=Artifact.of(path),
        rungs=tuple(name for name in predictions if name != MODEL),
        notes=notes_of_rungs(data.modality, evaluation)
        | {
            "linear_probe": "logistic regression on the frozen backbone, C by cross-validation in every fold",
            NO_TRANSFER: f"{trained.method} on the same labelled rows without {trained.source}, its setting chosen in every fold"
            if trained.source
            else "the model itself: it learned from no source",
        },
        variance_inflation=plan.variance_inflation,
        seconds=time.perf_counter() - started,
    )


def _methods(trained: TrainedModel, finetuning: FineTuningParams) -> tuple[FineTuneMethod, ...]:
    """Those compared in every fold: all, the chosen one as it was in the end; that one alone where a rule chose it."""
    chosen = parse_part(FineTuneMethod, trained.settings)  # type: ignore[type-abstract]
    if finetuning.choose == "auto":
        return (chosen,)
    return tuple(chosen if method.name == chosen.name else method for method in finetuning.methods)


def _fixed_rungs(
    rows: Rows,
    plan: FoldPlan,
    name: str,
    *,
    modality: Modality,
    backbone: BackboneParams,
    evaluation: EvaluationParams,
    c: int,
) -> dict[str, NDArray[np.float64]]:
    """The rungs that choose nothing."""

    def majority(train: NDArray[np.int64], held: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        return majority_answers(rows.labels[train], c, rows=len(held))

    def surface(train: NDArray[np.int64], held: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        known, asked = take(rows, train), take(rows, held)
        return surface_answers(modality, known.inputs, known.labels, asked.inputs, classes=c)

    def scratch(train: NDArray[np.int64], held: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        fitted = fit_from_scratch(name, backbone, modality, evaluation.scratch, rows=take(rows, train), classes=c, seed=seed)
        asked = take(rows, held)
        return answers_of(fitted, asked.inputs, asked.features, label="predicting from scratch")

    rungs = {"majority": majority, "surface_logistic": surface, "from_scratch": scratch}
    return {rung: average_over_folds(plan, fit, rows=len(rows.labels), classes=c) for rung, fit in rungs.items()}
