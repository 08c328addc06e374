"""The first screen: what was decided and why, in one sentence and four numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rootstock.records import NO_TRANSFER, EvalReport, Scored, SourceRanking
from rootstock.report.paired import Difference
from rootstock.report.predictions import CHAMPION
from rootstock.report.run_records import RunRecords
from rootstock.report.transfer import picked
from rootstock.report.wording import chance, count, listed, percent, points, sentence, spread, value

#: What a run can end with, and the mark and word that say so without colour.
TONES = {
    "pass": ("\N{CHECK MARK}", "pass"),
    "fail": ("\N{MULTIPLICATION X}", "fail"),
    "inconclusive": ("?", "inconclusive"),
    "neutral": ("\N{BULLET}", "no change"),
}


@dataclass(frozen=True)
class Headline:
    """The decision."""

    tone: str
    """a key of TONES"""
    decision: str
    """one or two words"""
    sentence: str
    reason: str


@dataclass(frozen=True)
class KeyNumber:
    """One of the numbers under the headline."""

    title: str
    value: str
    details: tuple[str, ...]
    """a line each"""
    tone: str
    note: str = ""


def headline(run: RunRecords, gains: Mapping[str, Difference]) -> Headline:
    """What was decided; ``gains`` holds the model's paired difference to each other model."""
    validation, verdict, registration = run.validation, run.verdict, run.registration
    if validation is not None and not validation.passed:
        failed = [
            result for result in validation.results if not result.passed and result.dataset not in validation.excluded_sources
        ]
        names = listed(dict.fromkeys(result.check.replace("_", " ") for result in failed))
        text = f"Nothing was trained: the data failed {count(len(failed), 'check')} ({names})"
        return Headline("fail", "Stopped", sentence(text), sentence("; ".join(result.reason for result in failed[:3])))
    if run.evaluation is None:
        return _early(run)
    if registration is not None and registration.alias == "champion":
        text = f"Version {registration.version} was promoted to champion{_claim(run.evaluation, gains)}"
        return Headline("pass", "Promoted", sentence(text), sentence(registration.reason))
    tone = verdict.verdict if verdict is not None else "neutral"
    reason = (verdict.reason if verdict else "") or (registration.reason if registration else "")
    if verdict is None:
        text = f"A model was trained and measured, and no gate has judged it yet{_claim(run.evaluation, gains)}"
        return Headline("neutral", "Not judged", sentence(text), sentence(reason))
    keeps = _keeps(run)
    if registration is not None and registration.version is not None:
        text = f"Version {registration.version} was registered as {registration.alias or 'a version without alias'}; {keeps}"
        return Headline(tone, "Registered, not promoted", sentence(text), sentence(registration.reason or reason))
    if tone == "pass":
        text = f"The model passed every gate{_claim(run.evaluation, gains)}; nothing was registered in this run"
        return Headline("pass", "Passed", sentence(text), sentence(reason))
    stopped = listed(result.gate.replace("_", " ") for result in verdict.results if result.verdict != "pass")
    said = "refused" if tone == "fail" else "not promoted, for the evidence does not settle it"
    text = f"The model was {said} ({stopped}); {keeps}" if stopped else f"The model was {said}; {keeps}"
    return Headline(tone, "Refused" if tone == "fail" else "Undecided", sentence(text), sentence(reason))


def _early(run: RunRecords) -> Headline:
    incumbent = run.incumbent
    if incumbent is not None and incumbent.version is not None and incumbent.run_key == run.run_key:
        text = f"Nothing changed: version {incumbent.version} was made from exactly these data and parameters and stays champion"
        return Headline("neutral", "No change", text + ".", "No stage had to run again.")
    if run.registration is not None:
        return Headline("neutral", "Ended early", "The run ended before a model was evaluated.", sentence(run.registration.reason))
    if run.ranking is not None and run.trained is None:
        return Headline("neutral", "Sources ranked", "No model was trained in this run.", sentence(run.ranking.reason))
    done = listed(stage.replace("_", " ") for stage in run.seconds) or "none"
    return Headline("neutral", "Ended early", "The run ended before a model was evaluated.", f"Stages that finished: {done}.")


def _keeps(run: RunRecords) -> str:
    version = run.incumbent.version if run.incumbent is not None else None
    return f"version {version} stays champion" if version is not None else "there is still no champion"


def _claim(report: EvalReport, gains: Mapping[str, Difference]) -> str:
    accuracy = report.measures.get("accuracy")
    if accuracy is None:
        return ""
    text = f": {percent(accuracy.value)} right on {report.measured_on(accuracy.n)}"
    if gain := gains.get(CHAMPION):
        return f"{text}, {_beside(gain)} the champion on the same rows"
    best = best_baseline(report)
    if best is not None and (gain := gains.get(best.name)):
        return f"{text}, {_beside(gain)} the best baseline"
    return text


def _beside(gain: Difference) -> str:
    if gain.value == 0:
        return "as many as"
    return f"{abs(gain.value) * 100:.1f} points {'better' if gain.value > 0 else 'worse'} than"


def best_baseline(report: EvalReport) -> Scored | None:
    """The baseline with the highest accuracy."""
    scored = [each for each in report.baselines if "accuracy" in each.measures]
    return max(scored, key=lambda each: each.measures["accuracy"].value, default=None)


def key_numbers(run: RunRecords, gains: Mapping[str, Difference], *, confidence: float) -> tuple[KeyNumber, ...]:
    """Accuracy, gain over the best baseline, source, champion; those that the run got to."""
    cards: list[KeyNumber] = []
    level = f"{confidence * 100:g} % interval"
    if run.evaluation is not None:
        if accuracy := run.evaluation.measures.get("accuracy"):
            cards.append(
                KeyNumber(
                    "Accuracy", value(accuracy), (spread(accuracy),), "plain", f"{level}, {run.evaluation.measured_on(accuracy.n)}"
                )
            )
        best = best_baseline(run.evaluation)
        if best is not None:
            cards.append(_against("Gain over the best baseline", best.name, gains.get(best.name)))
    if run.ranking is not None:
        cards.append(_source_card(run, run.ranking, gains))
    if run.evaluation is not None:
        version = run.incumbent.version if run.incumbent is not None else None
        if run.evaluation.champion is not None:
            other = f"version {version}" if version is not None else "the champion"
            cards.append(_against("Against the champion", other, gains.get(CHAMPION), run.evaluation.champion.note))
        else:
            cards.append(KeyNumber("Against the champion", "none yet", ("no version is in production",), "plain"))
    return tuple(cards)


def _against(title: str, other: str, gain: Difference | None, why_not: str = "") -> KeyNumber:
    if gain is None:
        return KeyNumber(title, "not known", (f"no rows in common with {other}",), "plain", sentence(why_not))
    tone = "inconclusive" if not gain.settled else "pass" if gain.value > 0 else "fail"
    details = (f"{points(gain.low)} to {points(gain.high)}", f"paired with {other} on {count(gain.n, 'row')}")
    note = f"{gain.wins} rows only this model has right, {gain.losses} only the other"
    return KeyNumber(title, f"{points(gain.value)} points", details, tone, note)


def _source_card(run: RunRecords, ranking: SourceRanking, gains: Mapping[str, Difference]) -> KeyNumber:
    pick = picked(ranking, run.selection)
    if pick.alone:
        reason = run.selection.reason if run.selection is not None else ranking.reason
        return KeyNumber("Source", "none", ("the backbone is used as it is",), "plain", sentence(reason))
    parts = []
    if pick.candidate is not None and (gain := pick.candidate.predicted_gain) is not None:
        parts.append(f"predicted {points(gain.value)} ({points(gain.low)} to {points(gain.high)})")
    if (realised := gains.get(NO_TRANSFER)) is not None:
        parts.append(f"realised {points(realised.value)} ({points(realised.low)} to {points(realised.high)})")
    risk = pick.candidate.risk if pick.candidate is not None else None
    note = "gain over no transfer, points" + ("" if risk is None else f"; risk of making it worse {chance(risk)}")
    return KeyNumber("Source", pick.name or str(pick.source), tuple(parts) or ("no gain was predicted",), "plain", note)
