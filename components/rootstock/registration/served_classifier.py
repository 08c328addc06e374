"""What answers inside ``mlflow.pyfunc.load_model("models:/NAME@champion").predict(...)``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootstock.classifier import Classifier
from rootstock.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class ServedClassifier:
    """MLflow's ``PythonModel`` protocol around a model folder; ``mlflow_registry.serve`` mixes MLflow's base class in."""

    def load_context(self, context: Any) -> None:
        """Read the model folder. Raises BackboneError if the pretrained base is not there or is another one."""
        self.classifier = Classifier.load(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: Any, params: Any = None) -> pd.DataFrame:
        """Column ``predicted``, then a probability a class under the class's name; one row an input, the index is kept.

        ``model_input`` is a DataFrame with a column ``input`` (a text, or the bytes of an image), a list of inputs, or one text.
        """
        import pandas as pd

        inputs, index = _inputs(model_input)
        labels = list(self.classifier.labels)
        if not inputs:
            return pd.DataFrame(columns=["predicted", *labels])
        probabilities = self.classifier.predict(inputs).probabilities
        answers = pd.DataFrame(probabilities, columns=labels, index=index)
        answers.insert(0, "predicted", [labels[i] for i in probabilities.argmax(axis=1)], allow_duplicates=True)
        return answers


def _inputs(model_input: Any) -> tuple[list[Any], Any]:
    """Inputs, and the index of a frame or series."""
    import pandas as pd

    if isinstance(model_input, pd.DataFrame):
        if "input" not in model_input:
            raise InputError(f"expected a column 'input', found {', '.join(map(str, model_input.columns)) or 'none'}; rename it")
        model_input = model_input["input"]
    values = [model_input] if isinstance(model_input, str | bytes) else list(model_input)
    for row, value in enumerate(values):
        if not isinstance(value, str | bytes):
            raise InputError(f"row {row}: expected a text or the bytes of an image, found {type(value).__name__}; fill or drop it")
    return values, getattr(model_input, "index", None) if isinstance(model_input, pd.Series) else None
