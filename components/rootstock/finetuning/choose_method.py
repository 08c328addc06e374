"""One method by rule, for those who would rather not pay for comparing all of them.

The rule, in this order, among the methods that the params list:

1. a head of the same classes was carried over from a source and answers the labelled rows better than chance, and they are fewer
   than 100 a class: a linear probe, drawn towards that head;
2. fewer than 8 labelled rows a class: a linear probe;
3. otherwise, of the methods that can train this backbone's layers, the one that trains the fewest, if its training is predicted to
   fit into the budget; else a linear probe.

``benchmarks/few_labels.py`` is the table behind it: with 5 rows a class training gains a point at most over a probe, at 2 to
30 times the seconds; and with a source's head the probe was ahead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rootstock.errors import ParamsError
from rootstock.part import EPOCHS, FineTuneMethod

PROBE = "linear_probe"
FEW_ROWS_A_CLASS, MANY_ROWS_A_CLASS = 8, 100
#: Forward and backward through what is trained cost as much as so many passes forward.
PASSES_A_STEP = 3


@dataclass(frozen=True)
class Circumstances:
    """What the rule looks at."""

    rows: int
    """labelled rows of the target"""
    classes: int
    carried_loss: float | None
    """mean log loss, nats a row, of the head carried over from a source on the labelled rows; None where there is none"""
    layers: int
    """of the backbone; 0 where they are not found"""
    forward_rows_per_second: float | None
    budget_minutes: float | None


@dataclass(frozen=True)
class Chosen:
    """A method, and why."""

    method: FineTuneMethod
    reason: str


def choose_method(methods: Sequence[FineTuneMethod], circumstances: Circumstances) -> Chosen:
    """Apply the rule. Raises ParamsError where it takes a linear probe and none is listed."""
    at = circumstances
    each = at.rows / at.classes
    if at.carried_loss is not None and at.carried_loss < math.log(at.classes) and each < MANY_ROWS_A_CLASS:
        why = (
            f"the source's head answers the {at.rows} labelled rows with {at.carried_loss:.2f} nats a row, chance is "
            f"{math.log(at.classes):.2f}, and {each:.0f} rows a class are fewer than {MANY_ROWS_A_CLASS}"
        )
        return _probe(methods, why)
    if each < FEW_ROWS_A_CLASS:
        return _probe(methods, f"{each:.0f} labelled rows a class are fewer than {FEW_ROWS_A_CLASS}")
    by_epochs = [method for method in methods if method.setting_unit == EPOCHS]
    able = [method for method in by_epochs if method.layers_needed() <= at.layers]
    trained = sorted(able, key=lambda method: _layers(method, at.layers))
    unable = ", ".join(method.name for method in by_epochs if method not in able)
    has = f"has {at.layers} layers" if at.layers else "shows no layers"
    if not trained:
        return _probe(methods, f"the backbone {has}, too few for {unable}" if unable else "no method that trains layers is listed")
    found, minutes = trained[0], _minutes(trained[0], at)
    if at.budget_minutes is not None and minutes is not None and minutes > at.budget_minutes:
        return _probe(methods, f"{found.name} would take about {minutes:.1f} minutes of the budget of {at.budget_minutes:g}")
    layers = _layers(found, at.layers)
    enough = f"{each:.0f} labelled rows a class are enough to train"
    fewest = f", and of those listed it trains the fewest layers, {layers}" if layers < math.inf else ""
    too_few = f"; the backbone {has}, too few for {unable}" if unable else ""
    return Chosen(found, f"{found.name}: {enough}{fewest}{too_few}")


def _probe(methods: Sequence[FineTuneMethod], why: str) -> Chosen:
    for method in methods:
        if method.name == PROBE:
            return Chosen(method, f"{PROBE}: {why}")
    raise ParamsError(
        f"finetuning.methods: expected {PROBE}, which finetuning.choose: auto takes here ({why}), found "
        f"{', '.join(method.name for method in methods)}; add it, or set finetuning.choose=cross_validation"
    )


def _layers(method: FineTuneMethod, depth: int) -> float:
    """Layers that a training passes through; infinity for all of a backbone whose layers are not found."""
    return getattr(method, "last_layers", None) or getattr(method, "layers", None) or depth or math.inf


def _minutes(method: FineTuneMethod, at: Circumstances) -> float | None:
    if at.forward_rows_per_second is None:
        return None
    share = min(1.0, _layers(method, at.layers) / at.layers) if at.layers else 1.0
    passes = at.rows * int(getattr(method, "epochs", 1)) * share * PASSES_A_STEP
    return passes / at.forward_rows_per_second / 60
