"""The stage that measures the model beside the baselines and the champion, all on the same test rows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import Classifier
from rootstock.errors import DataError
from rootstock.evaluation.champion import ChampionAnswers, ask_champion
from rootstock.evaluation.measures import Answers, class_measures, confusion, measure_models
from rootstock.evaluation.predictions import answer_columns, checked_probabilities, read_ladder
from rootstock.files import write_file
from rootstock.params import EvaluationParams
from rootstock.records import Artifact, Dataset, EvalReport, Incumbent, Ladder, Measure, PreparedData, Scored, TrainedModel
from rootstock.rows import label_indices, read_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


MODEL, CHAMPION = "model", "champion"
PREDICTIONS_FILE = "predictions.parquet"


def evaluate(
    prepared: PreparedData,
    trained: TrainedModel,
    ladder: Ladder,
    incumbent: Incumbent,
    *,
    evaluation: EvaluationParams,
    seed: int,
    folder: Path,
) -> EvalReport:
    """Measure the trained model on the target's test rows, with the ladder's rungs and the champion beside it.

    Writes ``predictions.parquet`` into ``folder``, rows in the order of their ids. The order of the test rows changes nothing.
    Raises DataError for missing rows or answers, labels that are not the task's, or probabilities that are none.
    """
    import pandas as pd

    started = time.perf_counter()
    target = prepared.target
    test = _test_rows(target)
    ids = list(test["id"])
    truth = label_indices(list(test["label"]), target.labels)
    probabilities = {MODEL: _ask_model(Path(trained.model.path), target, test)}
    probabilities |= read_ladder(Path(ladder.predictions.path), ladder.rungs, ids=ids, labels=target.labels)
    answers = {name: Answers(truth, found) for name, found in probabilities.items()}
    champion = ask_champion(incumbent, target, test)

    def measured(models: dict[str, Answers]) -> dict[str, dict[str, Measure]]:
        return measure_models(
            models,
            confidence=evaluation.confidence,
            draws=evaluation.bootstrap_draws,
            bins=evaluation.calibration_bins,
            seed=seed,
        )

    scores = measured(answers)
    if champion and champion.answers:
        scores |= measured({CHAMPION: champion.answers})

    columns = [test[["id", "label"]], *(answer_columns(name, found, target.labels) for name, found in probabilities.items())]
    if champion:
        columns.append(_champion_columns(champion))
    path = folder / PREDICTIONS_FILE
    write_file(path, lambda temporary: pd.concat(columns, axis=1).to_parquet(temporary, index=False))
    return EvalReport(
        dataset=target.name,
        revision=target.revision.revision,
        labels=target.labels,
        source=trained.source,
        measures=scores[MODEL],
        per_class=class_measures(answers[MODEL], target.labels, confidence=evaluation.confidence),
        baselines=tuple(Scored(name=rung, measures=scores[rung], note=ladder.notes.get(rung, "")) for rung in ladder.rungs),
        champion=Scored(name=CHAMPION, measures=scores.get(CHAMPION, {}), note=champion.note) if champion else None,
        confusion=confusion(answers[MODEL]),
        predictions=Artifact.of(path),
        seconds=time.perf_counter() - started,
    )


def _test_rows(target: Dataset) -> pd.DataFrame:
    if "test" not in target.splits:
        raise DataError(f"dataset {target.name}: expected a test split, found {', '.join(target.splits)}; prepare the data again")
    test = read_split(target, "test")
    if test.empty:
        raise DataError(f"{target.splits['test'].path}: expected test rows, found none; raise data.test_fraction or add rows")
    test = test.assign(id=test["id"].astype("str"))
    if len(twice := test.loc[test["id"].duplicated(), "id"]):
        raise DataError(f"{target.splits['test'].path}: expected unique ids, found {twice.iloc[0]} twice; prepare the data again")
    return test.sort_values("id").reset_index(drop=True)


def _ask_model(folder: Path, target: Dataset, test: pd.DataFrame) -> NDArray[np.float64]:
    """(n, c) in the order of the target's labels."""
    model = Classifier.load(folder)
    if set(model.labels) != set(target.labels):
        raise DataError(
            f"{folder}: expected a model of the labels {', '.join(target.labels)}, found {', '.join(model.labels)}; train it again"
        )
    found = checked_probabilities(
        model.predict(list(test["input"])).probabilities, ids=list(test["id"]), classes=len(model.labels), where=f"model {folder}"
    )
    return found[:, [model.labels.index(label) for label in target.labels]]


def _champion_columns(champion: ChampionAnswers) -> pd.DataFrame:
    """The champion's answers beside all n rows, null where it was not asked."""
    import numpy as np
    import pandas as pd

    names = [f"predicted:{CHAMPION}", f"probability:{CHAMPION}"]
    if champion.answers is None:
        n = len(champion.fair)
        return pd.DataFrame({names[0]: pd.Series([None] * n, dtype="str"), names[1]: np.full(n, np.nan)})
    found = answer_columns(CHAMPION, champion.answers.probabilities, champion.labels).set_index(np.flatnonzero(champion.fair))
    return found.reindex(range(len(champion.fair)))
