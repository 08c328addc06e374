"""The baseline ladder, and the model beside it, where no labelled row can be spared for a test."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.finetuning.checkpoint import forget
from rootstock.finetuning.crossvalidate import take
from rootstock.finetuning.finetune import options_of
from rootstock.finetuning.out_of_fold import FoldPlan, average_over_folds, nested_answers, plan_folds
from rootstock.finetuning.rungs import fixed_rungs, notes_of_rungs, probe_option, write_ladder
from rootstock.finetuning.starts import find_starts
from rootstock.params import BackboneParams, DataParams, EvaluationParams, FineTuningParams
from rootstock.part import FineTuneMethod, Rows, parse_part
from rootstock.records import NO_TRANSFER, Ladder, PreparedData, TrainedModel, TunedBackbone
from rootstock.rows import read_split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rootstock.finetuning.rungs import Rung

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
    starts = find_starts(prepared, tuned, data=data, backbone=backbone, finetuning=finetuning, workspace=workspace, folder=folder)
    as_chosen = finetuning.model_copy(update={"methods": _methods(trained, finetuning), "choose": "cross_validation"})
    options, _ = options_of(prepared, tuned, finetuning=as_chosen, starts=starts)
    rows = starts.bare.rows(prepared.target, "train")
    folds, repeats = evaluation.folds, evaluation.repeats
    plan = plan_folds(rows.inputs, rows.labels, folds=folds, repeats=repeats, seed=seed, groups=rows.groups)

    alone = [option for option in options if option.source is None and option.method.name == trained.method]
    made = nested_answers({MODEL: options, NO_TRANSFER: alone}, plan, folds=finetuning.folds, are_tempered=True)
    probe = nested_answers({"linear_probe": [probe_option(rows, len(classes))]}, plan, folds=finetuning.folds, are_tempered=False)
    fixed = fixed_rungs(tuned.backbone, modality=data.modality, backbone=backbone, evaluation=evaluation, classes=len(classes))
    predictions = {
        MODEL: made[MODEL],
        **{name: _averaged(rung, rows, plan=plan, classes=len(classes)) for name, rung in fixed.items()},
        **probe,
        NO_TRANSFER: made[NO_TRANSFER if trained.source else MODEL],
    }
    ids = [str(name) for name in read_split(prepared.target, "train")["id"]]
    written = write_ladder(ids, predictions, classes=classes, folder=folder)
    forget(starts.keep.folder)
    return Ladder(
        predictions=written,
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


def _averaged(rung: Rung, rows: Rows, *, plan: FoldPlan, classes: int) -> NDArray[np.float64]:
    """(n, c) probabilities of a rung that chooses nothing."""

    def fit_and_answer(train: NDArray[np.int64], held: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        asked = take(rows, held)
        return rung(take(rows, train), asked.inputs, asked.features, seed)

    return average_over_folds(plan, fit_and_answer, rows=len(rows.labels), classes=classes)
