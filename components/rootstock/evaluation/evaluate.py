"""The stage that measures the model beside the baselines and the champion, all on the same test rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rootstock.classifier import Classifier
from rootstock.errors import DataError
from rootstock.evaluation.champion import ChampionAnswers, ask_champion
from rootstock.evaluation.data_facts import data_facts
from rootstock.evaluation.dependent_rows import class_design_effects, design_effects, widened_measures
from rootstock.evaluation.measures import Answers, class_measures, confusion, measure_models
from rootstock.evaluation.perturbed import perturbed_columns
from rootstock.evaluation.predictions import answer_columns, checked_probabilities, probability_lists, read_ladder
from rootstock.evaluation.reloading import ask_reloaded
from rootstock.evaluation.row_slices import columns_of_slices
from rootstock.files import write_file
from rootstock.groups import group_numbers
from rootstock.params import DataParams, EvaluationParams
from rootstock.records import (
    GROUP,
    Artifact,
    Dataset,
    EvalReport,
    Incumbent,
    Ladder,
    Measure,
    PreparedData,
    Scored,
    TrainedModel,
    ValidationReport,
)
from rootstock.rows import label_indices, read_split, tested_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


MODEL, CHAMPION = "model", "champion"
#: Out of fold, the model's answers are those of fits that are thrown away; beside them stand those of the model that is kept.
SHIPPED = "shipped"
PREDICTIONS_FILE = "predictions.parquet"


def evaluate(
    prepared: PreparedData,
    trained: TrainedModel,
    ladder: Ladder,
    incumbent: Incumbent,
    validated: ValidationReport,
    *,
    data: DataParams,
    evaluation: EvaluationParams,
    seed: int,
    folder: Path,
) -> EvalReport:
    """Measure the trained model on the target's test rows, with the ladder's rungs and the champion beside it.

    With ``evaluation.rows: out_of_fold`` the rows are the labelled ones, and what is measured is how the model was made: each row's
    answer is that of fits whose fold held it out, which the ladder stage made. The champion is asked only about rows that it did
    not learn from.

    Writes ``predictions.parquet`` into ``folder``, rows in the order of their ids. The order of the test rows changes nothing.
    Raises DataError for missing rows or answers, labels that are not the task's, or probabilities that are none.
    """
    import pandas as pd

    started = time.perf_counter()
    target = prepared.target
    test = _tested_rows(target, evaluation.rows)
    ids = list(test["id"])
    truth = label_indices(list(test["label"]), target.labels)
    is_out_of_fold = evaluation.rows == "out_of_fold"
    folder_of_model = Path(trained.model.path)
    model = _load_model(folder_of_model, target)
    shipped = _ask_model(model, target, test, where=f"model {folder_of_model}")
    rungs = (MODEL, *ladder.rungs) if is_out_of_fold else ladder.rungs
    probabilities = {MODEL: shipped} | read_ladder(Path(ladder.predictions.path), rungs, ids=ids, labels=target.labels)
    answers = {name: Answers(truth, found) for name, found in probabilities.items()}
    champion = ask_champion(incumbent, target, test, renamed=data.renamed_labels)

    groups = group_numbers(test)
    asked_groups = groups[champion.fair] if champion and groups is not None else None

    def widened(measures: Mapping[str, Measure], effects: Mapping[str, float]) -> dict[str, Measure]:
        inflation = ladder.variance_inflation
        return widened_measures(measures, inflation=inflation, confidence=evaluation.confidence, effects=effects)

    def measured(models: dict[str, Answers], groups: NDArray[np.int64] | None) -> dict[str, dict[str, Measure]]:
        found = measure_models(
            models,
            confidence=evaluation.confidence,
            draws=evaluation.bootstrap_draws,
            bins=evaluation.calibration_bins,
            seed=seed,
        )
        return {name: widened(measures, design_effects(models[name], groups)) for name, measures in found.items()}

    scores = measured(answers, groups)
    if champion and champion.answers:
        scores |= measured({CHAMPION: champion.answers}, asked_groups)

    facts = [name for name in ("id", "label", GROUP) if name in test]
    columns = [test[facts], *(answer_columns(name, found, target.labels) for name, found in probabilities.items())]
    columns.append(probability_lists(MODEL, probabilities[MODEL]))
    if is_out_of_fold:
        columns += [answer_columns(SHIPPED, shipped, target.labels), probability_lists(SHIPPED, shipped)]
    if champion:
        columns.append(_champion_columns(champion))
    columns.append(columns_of_slices(test, modality=target.modality))
    columns += perturbed_columns(model, test, labels=target.labels, perturbations=evaluation.perturbations, seed=seed)
    reloading = None
    if evaluation.reload:
        reloaded, reloading = ask_reloaded(folder_of_model, test, labels=target.labels, confidence=evaluation.confidence)
        columns += reloaded
    path = folder / PREDICTIONS_FILE
    write_file(path, lambda temporary: pd.concat(columns, axis=1).to_parquet(temporary, index=False))
    return EvalReport(
        dataset=target.name,
        revision=target.revision.revision,
        labels=target.labels,
        source=trained.source,
        measures=scores[MODEL],
        per_class={
            label: widened(measures, effects)
            for (label, measures), effects in zip(
                class_measures(answers[MODEL], target.labels, confidence=evaluation.confidence).items(),
                class_design_effects(answers[MODEL], groups, len(target.labels)),
                strict=True,
            )
        },
        baselines=tuple(Scored(name=rung, measures=scores[rung], note=ladder.notes.get(rung, "")) for rung in ladder.rungs),
        champion=Scored(name=CHAMPION, measures=scores.get(CHAMPION, {}), note=champion.note) if champion else None,
        confusion=confusion(answers[MODEL]),
        champion_labels=champion.changes.labels if champion else (),
        classes_added=champion.changes.added if champion else (),
        classes_removed=champion.changes.removed if champion else (),
        classes_renamed=champion.changes.renamed if champion else {},
        rows=evaluation.rows,
        variance_inflation=ladder.variance_inflation,
        groups=int(groups.max()) + 1 if groups is not None else None,
        tested_from=target.tested_from,
        reloading=reloading,
        data=data_facts(prepared, validated, trained, test, is_out_of_fold=is_out_of_fold),
        predictions=Artifact.of(path),
        seconds=time.perf_counter() - started,
    )


def _tested_rows(target: Dataset, wanted: Literal["held_out", "out_of_fold"]) -> pd.DataFrame:
    split = "test" if wanted == "held_out" else "train"
    if tested_split(target) != split:
        raise DataError(
            f"dataset {target.name}: expected {split} rows to measure on (evaluation.rows: {wanted}), found the splits "
            f"{', '.join(target.splits)}; prepare the data again"
        )
    test, path = read_split(target, split), target.splits[split].path
    if test.empty:
        raise DataError(f"{path}: expected test rows, found none; raise data.test_fraction or add rows")
    test = test.assign(id=test["id"].astype("str"))
    if len(twice := test.loc[test["id"].duplicated(), "id"]):
        raise DataError(f"{path}: expected unique ids, found {twice.iloc[0]} twice; prepare the data again")
    return test.sort_values("id").reset_index(drop=True)


def _load_model(folder: Path, target: Dataset) -> Classifier:
    model = Classifier.load(folder)
    if set(model.labels) != set(target.labels):
        raise DataError(
            f"{folder}: expected a model of the labels {', '.join(target.labels)}, found {', '.join(model.labels)}; train it again"
        )
    return model


def _ask_model(model: Classifier, target: Dataset, test: pd.DataFrame, *, where: str) -> NDArray[np.float64]:
    """(n, c) in the order of the target's labels."""
    found = checked_probabilities(
        model.predict(list(test["input"])).probabilities, ids=list(test["id"]), classes=len(model.labels), where=where
    )
    return found[:, [model.labels.index(label) for label in target.labels]]


def _champion_columns(champion: ChampionAnswers) -> pd.DataFrame:
    """The champion's answers beside all n rows, null where it was not asked."""
    import numpy as np
    import pandas as pd

    names = [f"predicted:{CHAMPION}", f"probability:{CHAMPION}"]
    if champion.answers is None:
        n = len(champion.fair)
        nothing = {names[0]: pd.Series([None] * n, dtype="str"), names[1]: np.full(n, np.nan)}
        return pd.DataFrame(nothing | {f"probabilities:{CHAMPION}": pd.Series([None] * n, dtype="object")})
    said = champion.answers.probabilities
    found = pd.concat([answer_columns(CHAMPION, said, champion.changes.labels), probability_lists(CHAMPION, said)], axis=1)
    return found.set_index(np.flatnonzero(champion.fair)).reindex(range(len(champion.fair)))
