"""The model folder as it goes into the registry: with a card and a loader that needs no Rootstock, and checked once more."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.boosted import BoostedHead
from rootstock.classifier import Classifier, ModelCard, read_card
from rootstock.errors import DataError, Refusal
from rootstock.files import new_folder
from rootstock.records import EvalReport, Measure, PreparedData, TrainedModel, sources_of
from rootstock.reload import LOADER_FILE, loader_source
from rootstock.rows import read_split, tested_split

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

CHECKED_ROWS = 16
#: Largest difference of a probability that float rounding explains: a row's padding depends on what is batched beside it.
TOLERANCE = 1e-4

Predict = Callable[[Path, Sequence[Any]], "tuple[tuple[str, ...], NDArray[np.float64]]"]
"""(model folder, n inputs) -> (c labels, (n, c) probabilities)"""


def package_model(trained: TrainedModel, report: EvalReport, prepared: PreparedData, folder: Path) -> Path:
    """Copy a trained model to ``folder``, add ``README.md``, and ``load.py`` where it has none, and return ``folder``.

    Raises DataError if the trained model is no longer what was recorded.
    """
    if damage := trained.model.damage():
        raise DataError(f"expected the model that was evaluated, but {damage}; run the fine-tuning stage again")
    card = read_card(Path(trained.model.path))
    with new_folder(folder) as temporary:
        shutil.copytree(trained.model.path, temporary, dirs_exist_ok=True)
        if not (temporary / LOADER_FILE).is_file():  # saved before loaders were sealed with the model
            (temporary / LOADER_FILE).write_text(loader_source(), encoding="utf-8")
        is_of_trees = (temporary / BoostedHead.file).is_file()
        said = readme(card, trained, report, prepared, is_of_trees=is_of_trees)
        (temporary / "README.md").write_text(said, encoding="utf-8")
    return folder


def readme(card: ModelCard, trained: TrainedModel, report: EvalReport, prepared: PreparedData, *, is_of_trees: bool = False) -> str:
    """The model's card in Markdown: what it is for, what it was made of, how well it does, how to load it."""
    base = "its weights stand in `backbone/`" if card.base.included else f"not included; sha256 `{card.base.sha256}`"
    measures = "\n".join(_row(name, measure) for name, measure in report.measures.items())
    what = "images" if card.modality["name"] == "image" else "texts"
    needed = ["transformers", "peft", *(["pillow"] if what == "images" else []), *(["lightgbm"] if is_of_trees else [])]
    packages = " and ".join([", ".join(f"`{name}`" for name in needed[:-1]), f"`{needed[-1]}`"])
    feed = "printf '%s\\n' first.png second.png" if what == "images" else "printf '%s\\n' 'a text' 'another text'"
    return f"""# {report.dataset}: a classifier of {what}

- Classes: {", ".join(f"`{label}`" for label in card.labels)}
- Base: `{card.base.name}` ({base})
- Adapters, merged in this order: {", ".join(f"`{name}`" for name in card.adapters) or "none"}
- Temperature: {card.temperature:g} (probabilities are calibrated by it; 1 leaves them as they were)
- Learned from: {_origin(trained, prepared)}
- Method: {trained.method} ({trained.reason})

## Measured on {report.measured_on(_rows(report))} ({report.revision})

| measure | value | interval | unit |
|---|---|---|---|
{measures}

## Loading it

Only {packages} are needed (torch and safetensors come with them):

```
{feed} | python load.py
```

`load.py --base FOLDER` reads the base from a folder; otherwise it is found under its name. The base is refused if its content is
not the one above: adapters on another base give wrong answers.
"""


def _row(name: str, measure: Measure) -> str:
    better = "higher is better" if measure.higher_is_better else "lower is better"
    return f"| {name} | {measure.value:.4f} | {measure.low:.4f} to {measure.high:.4f} | {measure.unit}, {better} |"


def _rows(report: EvalReport) -> int:
    return max((measure.n for measure in report.measures.values()), default=0)


def _origin(trained: TrainedModel, prepared: PreparedData) -> str:
    target = f"`{prepared.target.revision.revision}`"
    if trained.source is None:
        return f"{target} alone"
    revisions = {source.name: source.revision.revision for source in prepared.sources}
    learned = " and ".join(f"`{revisions.get(name, name)}`" for name in sources_of(trained.source))
    return f"{learned} first, then {target}"


def check_round_trip(folder: Path, report: EvalReport, prepared: PreparedData, *, predict: Predict) -> None:
    """Load a model folder again and compare its probabilities with those it was judged by, on a few test rows.

    Raises Refusal if they differ by more than float rounding does, DataError if no row can be compared.
    """
    import numpy as np

    rows = judged_rows(report, prepared)
    labels, probabilities = predict(folder, list(rows["input"]))
    if set(rows["predicted:model"]) - set(labels):
        raise Refusal(f"{folder}: expected classes {', '.join(report.labels)}, found {', '.join(labels)}; nothing was registered")
    columns = [labels.index(label) for label in rows["predicted:model"]]
    found = probabilities[np.arange(len(rows)), columns]
    difference = np.abs(found - rows["probability:model"].to_numpy(dtype=np.float64))
    worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    if not difference[worst] <= TOLERANCE:
        raise Refusal(
            f"{folder}: expected the probabilities that the model was judged by, found {found[worst]:.4f} instead of "
            f"{rows['probability:model'].iloc[worst]:.4f} for row {rows['id'].iloc[worst]}; the saved model is not the evaluated "
            "one, nothing was registered; run the fine-tuning and evaluation stages again"
        )


def judged_rows(report: EvalReport, prepared: PreparedData) -> pd.DataFrame:
    """Up to 16 test rows spread over the file: ``id``, ``input``, ``predicted:model``, ``probability:model``.

    Out of fold the model itself was not judged but how it was made; its own answers to the rows then stand under ``shipped``.
    """
    import numpy as np
    import pandas as pd

    name = "shipped" if report.rows == "out_of_fold" else "model"
    names = {f"predicted:{name}": "predicted:model", f"probability:{name}": "probability:model"}
    predictions = pd.read_parquet(report.predictions.path, columns=["id", *names]).rename(columns=names)
    rows = read_split(prepared.target, tested_split(prepared.target))[["id", "input"]].merge(
        predictions, on="id", validate="one_to_one"
    )
    if rows.empty:
        raise DataError(f"{report.predictions.path}: expected test rows of {prepared.target.name}, found none; evaluate again")
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, CHECKED_ROWS).astype(int))].reset_index(drop=True)


def predict_with_classifier(folder: Path, inputs: Sequence[Any]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Labels and probabilities from a model folder, read from disk again."""
    classifier = Classifier.load(folder)
    return classifier.labels, classifier.predict(inputs).probabilities
