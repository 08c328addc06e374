"""Choose a method, and its setting, by cross-validation on the target's labelled rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootstock.classifier import input_hash, training_hashes
from rootstock.errors import DataError
from rootstock.groups import design_effect, grouped_folds, with_their_group
from rootstock.part import EPOCHS, FineTuneMethod, Rows, Start
from rootstock.records import Artifact, Measure, MethodScore
from rootstock.temperature import fit_temperature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Splits = list[tuple["NDArray[np.int64]", "NDArray[np.int64]"]]

#: Two-sided 95% normal quantile: the interval of a mean over rows.
QUANTILE_95 = 1.959964
#: A probability below this counts as this.
LEAST_PROBABILITY = 1e-12


@dataclass(frozen=True)
class Option:
    """A method and where it starts from."""

    method: FineTuneMethod
    source: str | None
    start: Start
    rows: Rows

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"{self.method.name} from {self.source or 'the backbone alone'}"


@dataclass(frozen=True)
class OptionScore:
    """An option's out-of-fold result at its best setting."""

    option: Option
    setting: float
    log_loss: float
    record: MethodScore
    heldout_losses: dict[float, float]
    temperature: float
    """that calibrates the out-of-fold probabilities at the best setting"""


def take(rows: Rows, indices: NDArray[np.int64]) -> Rows:
    """Some of the rows."""
    groups = rows.groups[indices] if rows.groups is not None else None
    return Rows([rows.inputs[i] for i in indices], rows.labels[indices], rows.features[indices], groups=groups)


def unseen_rows(rows: Rows, start: Artifact | None) -> NDArray[np.bool_]:
    """(n,) rows of which, and of whose group, the model to start from has learned nothing; all where there is no such row."""
    import numpy as np

    seen = training_hashes(Path(start.path)) if start else frozenset()
    unseen = ~with_their_group(np.array([input_hash(value) in seen for value in rows.inputs], dtype=bool), rows.groups)
    return unseen if unseen.any() else np.ones(len(unseen), dtype=bool)


def stratified_folds(labels: NDArray[np.int64], *, folds: int, seed: int, groups: NDArray[np.int64] | None = None) -> Splits:
    """(train, held-out) indices a fold, fewer folds where the smallest class has fewer rows, or groups (n,) that have it.

    Rows of a group are held out together. Raises DataError when a class has a single row, or all its rows in one group.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    if groups is not None:
        return grouped_folds(labels, groups, folds=folds, seed=seed)
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    if smallest < 2:
        raise DataError("expected at least 2 labelled rows in each class, found a class with 1; label one more row of it")
    splitter = StratifiedKFold(n_splits=min(folds, smallest), shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(labels)), labels))


def score_options(options: Sequence[Option], *, folds: int, seed: int, eligible: NDArray[np.bool_]) -> tuple[OptionScore, ...]:
    """Out-of-fold accuracy and log loss of every option on the same folds; lowest log loss first.

    Only ``eligible`` rows (n,) are scored: rows that an option's start has already learned from would flatter it.
    The setting is the one with the lowest out-of-fold loss, so an option's loss is a little optimistic, and for all alike.
    """
    rows = options[0].rows
    splits = stratified_folds(rows.labels, folds=folds, seed=seed, groups=rows.groups)
    scores = [_score(option, splits, eligible=eligible, seed=seed) for option in options]
    return tuple(sorted(scores, key=lambda score: score.log_loss))


def held_out_probabilities(option: Option, splits: Splits, *, seed: int) -> dict[float, NDArray[np.float64]]:
    """setting -> (n, c) probabilities of every row, each from the fit whose fold held it out.

    For epochs after a fit has ended early, those of its last one. Not those of its best, which its held-out rows have chosen: the
    final fit has none, so it trains as many epochs as it is told.
    """
    import numpy as np

    found: list[dict[float, NDArray[np.float64]]] = []
    for fold, (train_rows, heldout_rows) in enumerate(splits):
        fitted = option.method.fit(
            option.start, take(option.rows, train_rows), heldout=take(option.rows, heldout_rows), setting=None, seed=seed + fold
        )
        found.append(fitted.heldout)
    predicted: dict[float, NDArray[np.float64]] = {}
    for setting in dict.fromkeys(setting for heldout in found for setting in heldout):
        predicted[setting] = np.zeros((len(option.rows.labels), option.start.classes))
        for (_, heldout_rows), heldout in zip(splits, found, strict=True):
            predicted[setting][heldout_rows] = heldout[max(known for known in heldout if known <= setting)]
    return predicted


def row_losses(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n,) log loss of each row, nats, from probabilities (n, c)."""
    import numpy as np

    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], LEAST_PROBABILITY)))


def _score(option: Option, splits: Splits, *, eligible: NDArray[np.bool_], seed: int) -> OptionScore:
    labels = option.rows.labels[eligible]
    predicted = {setting: p[eligible] for setting, p in held_out_probabilities(option, splits, seed=seed).items()}
    losses = {setting: row_losses(p, labels) for setting, p in predicted.items()}
    groups = None if option.rows.groups is None else option.rows.groups[eligible]
    best = min(losses, key=lambda setting: float(losses[setting].mean()))
    correct = (predicted[best].argmax(axis=1) == labels).astype(float)
    record = MethodScore(
        method=option.method.name,
        source=option.source,
        accuracy=_mean(correct, unit="share", higher_is_better=True, groups=groups),
        log_loss=_mean(losses[best], unit="nats", higher_is_better=False, groups=groups),
        epochs=int(best) if option.method.setting_unit == EPOCHS else None,
    )
    mean_losses = {setting: float(loss.mean()) for setting, loss in losses.items()}
    return OptionScore(option, best, mean_losses[best], record, mean_losses, fit_temperature(predicted[best], labels))


def _mean(values: NDArray[np.float64], *, unit: str, higher_is_better: bool, groups: NDArray[np.int64] | None) -> Measure:
    """Mean over rows with a 95% interval: Wilson's for a share, for a log loss normal, of a single row all that it can be.

    As for fewer rows where those of a group hang together.
    """
    import numpy as np
    from statsmodels.stats.proportion import proportion_confint

    n, value, effect = len(values), float(values.mean()), design_effect(values, groups)
    if unit == "share":
        low, high = proportion_confint(values.sum() / effect, n / effect, method="wilson")
    elif n == 1:
        low, high = 0.0, -np.log(LEAST_PROBABILITY)
    else:
        half = QUANTILE_95 * float(values.std(ddof=1)) / np.sqrt(n / effect)
        low, high = value - half, value + half
    return Measure(value=value, low=float(low), high=float(high), n=n, unit=unit, higher_is_better=higher_is_better)
