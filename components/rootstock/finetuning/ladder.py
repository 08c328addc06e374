"""The baseline ladder: what the model has to beat, fitted on the same labelled rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier
from rootstock.finetuning.crossvalidate import Option, OptionScore, score_options, unseen_rows
from rootstock.finetuning.ladder_out_of_fold import climb_out_of_fold
from rootstock.finetuning.rungs import answers_of, fixed_rungs, notes_of_rungs, probe_option, write_ladder
from rootstock.finetuning.starts import published_encoder
from rootstock.params import BackboneParams, DataParams, EvaluationParams, FineTuningParams
from rootstock.part import FineTuneMethod, Fitted, Rows, Start, parse_part
from rootstock.records import NO_TRANSFER, Ladder, PreparedData, TrainedModel, TunedBackbone
from rootstock.rows import EncoderSource, read_split
from rootstock.temperature import at_temperature

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def climb(
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
    """Predict the target's test rows with each rung. Test labels are not read.

    Rungs: ``majority``, ``surface_logistic`` (TF-IDF or pixels, logistic regression), ``from_scratch`` (the same architecture with
    random weights, trained on the labelled rows), ``linear_probe`` (frozen backbone), ``no_transfer`` (the model's own method, its
    setting chosen on the same folds, from the same backbone without any source: what the source is worth is the difference to it).
    All stand on the backbone of the model. With ``evaluation.rows: out_of_fold``, see ``climb_out_of_fold``.
    """
    import numpy as np

    if evaluation.rows == "out_of_fold":
        return climb_out_of_fold(
            prepared, tuned, trained, data=data, backbone=backbone, finetuning=finetuning, evaluation=evaluation,
            workspace=workspace, seed=seed, folder=folder,
        )  # fmt: skip
    started = time.perf_counter()
    classes = prepared.target.labels
    test = read_split(prepared.target, "test")
    asked = list(test["input"])
    bare = published_encoder(tuned.backbone, data=data, backbone=backbone, workspace=workspace)
    rows = bare.rows(prepared.target, "train")
    test_features = bare.embed(asked, rows_sha256=prepared.target.splits["test"].sha256, label="embedding test")
    everything = np.ones(len(rows.labels), dtype=bool)
    scored = score_options([probe_option(rows, len(classes))], folds=finetuning.folds, seed=seed, eligible=everything)
    probe, penalty = _refit(scored[0], seed=seed)
    control, control_note = _no_transfer(
        prepared, trained, finetuning, rows=rows, test=test, test_features=test_features, encoder=bare, seed=seed,
        eligible=unseen_rows(rows, tuned.model),
    )  # fmt: skip
    fixed = fixed_rungs(tuned.backbone, modality=data.modality, backbone=backbone, evaluation=evaluation, classes=len(classes))
    predictions = {
        **{name: rung(rows, asked, test_features, seed) for name, rung in fixed.items()},
        "linear_probe": answers_of(probe, asked, test_features, label=""),
        NO_TRANSFER: control,
    }
    written = write_ladder(list(test["id"]), predictions, classes=classes, folder=folder)
    notes = {
        **notes_of_rungs(data.modality, evaluation),
        "linear_probe": f"logistic regression on the frozen backbone, C = {penalty:g} by cross-validation",
        NO_TRANSFER: control_note,
    }
    return Ladder(predictions=written, rungs=tuple(predictions), notes=notes, seconds=time.perf_counter() - started)


def _refit(score: OptionScore, *, seed: int) -> tuple[Fitted, float]:
    option = score.option
    return option.method.fit(option.start, option.rows, heldout=None, setting=score.setting, seed=seed), score.setting


def _no_transfer(
    prepared: PreparedData,
    trained: TrainedModel,
    finetuning: FineTuningParams,
    *,
    rows: Rows,
    test: pd.DataFrame,
    test_features: NDArray[np.float64],
    encoder: EncoderSource,
    eligible: NDArray[np.bool_],
    seed: int,
) -> tuple[NDArray[np.float64], str]:
    """(n_test, c) probabilities, and what they are of. A model that learned from no source is its own control."""
    classes = prepared.target.labels
    if trained.source is None:
        model = Classifier.load(Path(trained.model.path))
        found = model.predict(list(test["input"])).probabilities
        return found[:, [model.labels.index(label) for label in classes]], "the model itself: it learned from no source"
    method = parse_part(FineTuneMethod, trained.settings)  # type: ignore[type-abstract]
    start = Start(
        encoder.load, len(classes), None, bfloat16=finetuning.precision == "auto", unlabelled=encoder.unlabelled(prepared.target)
    )
    option = Option(method, None, start, rows)
    score = score_options([option], folds=finetuning.folds, seed=seed, eligible=eligible)[0]
    fitted, setting = _refit(score, seed=seed)
    note = (
        f"{method.name} on the same labelled rows without {trained.source}, {method.setting_unit} {setting:g} by cross-validation"
    )
    answers = answers_of(fitted, list(test["input"]), test_features, label="predicting without transfer")
    return at_temperature(answers, score.temperature), note
