"""From two windows to drift, and from drift to a retraining decision. Nothing here reads a clock or a file."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rootstock.errors import ParamsError
from rootstock.monitoring.correction import holm_levels, permutations_needed, window_level
from rootstock.part import Window
from rootstock.records import DriftReport, DriftResult, RetrainDecision

if TYPE_CHECKING:
    from rootstock.params import DataParams, MonitoringParams


def detect(reference: Window, current: Window, *, monitoring: MonitoringParams, seed: int) -> tuple[DriftResult, ...]:
    """Every test's results, judged together.

    Drifted means: p below its Holm level within this window's share, alpha / looks, and an effect above the test's floor. Without
    any drift, at most a share ``alpha`` of all series of ``looks`` windows hold even one false alarm.
    Raises ParamsError where ``permutations`` is too low for a p-value to reach its level.
    """
    found = [result for test in monitoring.tests for result in test.compare(reference, current, seed=seed)]
    check_permutations(monitoring, results=len(found))
    levels = holm_levels([result.p_value for result in found], window_level(monitoring.alpha, monitoring.looks))
    return tuple(_judge(result, level) for result, level in zip(found, levels, strict=True))


def check_permutations(monitoring: MonitoringParams, *, results: int) -> None:
    """Raise ParamsError if a permutation test could never find drift: it has to reach alpha / looks / ``results``."""
    needed = permutations_needed(window_level(monitoring.alpha, monitoring.looks) / max(results, 1))
    for index, test in enumerate(monitoring.tests):
        permutations = getattr(test, "permutations", None)
        if permutations is not None and permutations < needed:
            raise ParamsError(
                f"monitoring.tests[{index}].permutations: expected at least {needed} for alpha {monitoring.alpha:g} over "
                f"{monitoring.looks} looks and {results} results a window, found {permutations}; {test.name} could never find drift"
            )


def _judge(result: DriftResult, level: float) -> DriftResult:
    unlikely, large = result.p_value <= level, result.effect >= result.effect_floor
    p_value = f"p = {result.p_value:.2g} {'<=' if unlikely else '>'} {level:.2g}"
    effect = f"effect {result.effect:.2f} {'>=' if large else '<'} {result.effect_floor:g}"
    verdict = "drifted" if unlikely and large else "no drift"
    return result.model_copy(update={"drifted": unlikely and large, "reason": f"{verdict}: {result.reason} ({p_value}, {effect})"})


def decide(
    report: DriftReport | None,
    *,
    champion_revision: str,
    newest_revision: str,
    last_retrain: datetime | None,
    classes: int,
    data: DataParams,
    monitoring: MonitoringParams,
    now: datetime,
) -> RetrainDecision:
    """Retrain or not, and why.

    Retraining needs labelled data that the champion has not seen; the reason to use it is drift, or ``retrain_on_new_data``.
    Drift without new labels ends with how many rows to label: the same data would give the same model. ``report`` is None when
    the prediction log holds no full window yet. After a retraining, and whatever it ended in, ``cool_down_hours`` must pass.
    ``now`` and ``last_retrain`` carry a time zone.
    """
    drifted = report is not None and report.drifted
    new_data = newest_revision != champion_revision
    pause = timedelta(hours=monitoring.cool_down_hours)
    ready = None if last_retrain is None else last_retrain + pause
    wanted = new_data and (drifted or monitoring.retrain_on_new_data)
    until: datetime | None = None
    quiet = "too few predictions to judge drift" if report is None else "no drift"
    cause = _cause(report, champion_revision, newest_revision)
    if wanted and ready is not None and now < ready:
        until = ready
        reason = f"{cause}, but the last retraining was under {monitoring.cool_down_hours:g} hours ago; wait until {_iso(ready)}"
    elif wanted:
        until = now + pause
        reason = cause
    elif report is not None and report.drifted:
        reason = (
            f"{_drift(report)}, but {champion_revision} is the newest labelled data: retraining on the same data would not help; "
            f"label about {rows_to_label(data, monitoring, classes)} rows of window {report.window}: "
            "'rootstock label choose' picks them, 'rootstock label add' takes what people say"
        )
    elif new_data:
        reason = f"{quiet}; {newest_revision} is newer than {champion_revision}, but monitoring.retrain_on_new_data is false"
    else:
        reason = f"{quiet}, and no data newer than {champion_revision}"
    return RetrainDecision(
        retrain=wanted and (ready is None or now >= ready),
        reason=reason,
        window="none" if report is None else report.window,
        data_revision=newest_revision,
        new_data=new_data,
        cool_down_until=None if until is None else _iso(until),
    )


def rows_to_label(data: DataParams, monitoring: MonitoringParams, classes: int) -> int:
    """Rows whose labels make a training and a test part of the configured size; a window's rows where all labels are used."""
    if data.labelled_rows_per_class is None:
        return monitoring.window_rows
    return math.ceil(data.labelled_rows_per_class * classes / (1 - (data.test_fraction or 0)))


def _cause(report: DriftReport | None, champion_revision: str, newest_revision: str) -> str:
    new = f"{newest_revision} is newer than {champion_revision}, on which the champion was trained"
    return f"{_drift(report)}, and {new}" if report is not None and report.drifted else new


def _drift(report: DriftReport) -> str:
    return f"drift found by {', '.join(f'{result.test} of {result.view}' for result in report.results if result.drifted)}"


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds")
