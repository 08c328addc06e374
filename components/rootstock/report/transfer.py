"""What was learned from and what it was worth, in one sentence that a person can repeat."""

from __future__ import annotations

from dataclasses import dataclass

from rootstock.paired import Pair, mcnemar_exact, reverse
from rootstock.records import NO_TRANSFER, Candidate, CandidateKind, EvalReport, Selection, SourceRanking, Verdict, sources_of
from rootstock.report.paired import Difference, paired_difference
from rootstock.report.predictions import MODEL, read_predictions
from rootstock.report.run_records import RunRecords
from rootstock.report.wording import bare_points, chance, clip, count, percent, points, sentence

SHOWN_NAME = 60
ALONE = "the model is trained on the target alone"


@dataclass(frozen=True)
class Pick:
    """The candidate that the run learned from in the end."""

    name: str | None
    """of the candidate; None where it is not in the ranking"""
    source: str | None
    """None without transfer"""
    kind: CandidateKind
    backbone: str
    candidate: Candidate | None

    @property
    def alone(self) -> bool:
        """Whether that is the first backbone without a source: nothing is transferred."""
        gain = self.candidate.predicted_gain if self.candidate is not None else None
        return self.kind == "backbone" and (gain is None or gain.value == 0)


def picked(ranking: SourceRanking, selection: Selection | None = None) -> Pick:
    """What successive halving settled, or before it what the ranking chose."""
    last = selection if selection is not None else ranking
    if last.chosen_name is not None:
        found = next((each for each in ranking.candidates if each.name == last.chosen_name), None)
    elif last.chosen is not None:
        found = next((each for each in ranking.candidates if each.source == last.chosen), None)
    else:
        alike = [each for each in ranking.candidates if each.kind == last.chosen_kind and each.excluded is None]
        found = next((each for each in alike if each.backbone == last.backbone), None)
    return Pick(found.name if found is not None else last.chosen_name, last.chosen, last.chosen_kind, last.backbone, found)


def run_sentence(run: RunRecords) -> str:
    """The sentence of a run with whatever it got to; empty before the ranking."""
    if run.ranking is None:
        return ""
    realised = None
    if run.evaluation is not None:
        realised = realised_gain(run.evaluation, confidence=1 - 2 * run.claim_alpha)
    return sentence_of(run, realised)


def sentence_of(run: RunRecords, realised: Difference | None) -> str:
    """The sentence of a run whose realised gain is known already."""
    if run.ranking is None:
        return ""
    level = run.setting("similarity", "confidence", otherwise=0.9)
    dropped = run.trained is not None and run.trained.source is None
    return transfer_sentence(
        run.ranking, run.selection, confidence=level, realised=realised, alpha=run.claim_alpha, dropped=dropped, row=run.tested_row
    )


def realised_gain(evaluation: EvalReport, *, confidence: float) -> Difference | None:
    """Accuracy of the model less that of the same without transfer, on the same rows; None where either is missing.

    Raises DataError if the predictions file lacks the model's columns.
    """
    predictions = read_predictions(evaluation)
    if predictions is None or not predictions.ids or NO_TRANSFER not in predictions.predicted:
        return None
    return paired_difference(
        predictions.right(MODEL), predictions.right(NO_TRANSFER), confidence=confidence, inflation=evaluation.variance_inflation,
        groups=predictions.groups,
    )  # fmt: skip


def transfer_sentence(
    ranking: SourceRanking,
    selection: Selection | None = None,
    *,
    confidence: float,
    realised: Difference | None = None,
    alpha: float = 0.05,
    dropped: bool = False,
    row: str = "test row",
) -> str:
    """One sentence: what is learned from, the gain predicted over no transfer, the risk, and what was measured.

    ``confidence`` is that of the predicted intervals, ``realised`` the model's paired difference to no transfer on the rows
    that models are measured on, each called a ``row``, ``alpha`` the error rate of calling that settled; ``dropped`` says that the
    final model was trained without the source.
    """
    pick = picked(ranking, selection)
    gain = pick.candidate.predicted_gain if pick.candidate is not None else None
    if pick.alone:
        return sentence(_abstained(ranking, selection, confidence))
    subject = _subject(pick, switched=selection is not None and selection.chosen_name != ranking.chosen_name)
    if pick.candidate is None or gain is None:
        expected = f"{subject} was chosen without a predicted gain over no transfer"
    else:
        expected = f"{subject} {_expected(pick.candidate, confidence)}"
    if dropped and pick.kind != "backbone":
        return sentence(f"{expected}; in the end the model was trained without it")
    return sentence(expected + _measured(realised, alpha, row))


def weighed(ranking: SourceRanking) -> str:
    """How many candidates were looked at, and how many of them were excluded."""
    out = sum(each.excluded is not None for each in ranking.candidates)
    looked = f"{count(len(ranking.candidates), 'candidate')} weighed on {count(ranking.rows, 'labelled row')}"
    return sentence(f"{looked}, {out if out else 'none'} excluded")


def _subject(pick: Pick, *, switched: bool) -> str:
    name = _shown(pick.name or pick.source or "the chosen source")
    led = ", ahead in short trials," if switched else ""
    if pick.kind == "champion":
        return f"The champion is still the best start{led.rstrip(',')}: going on from it"
    if pick.kind == "scratch":
        return f"Training from scratch{led}"
    if pick.kind == "backbone":
        return f"Starting from the backbone {_shown(pick.backbone)} without a source{led}"
    return f"{'Going on' if pick.kind == 'version' else 'Learning'} from {name}{led}"


def _shown(name: str) -> str:
    return clip(" ".join(name.split()), SHOWN_NAME)


def _expected(candidate: Candidate, confidence: float) -> str:
    gain = candidate.predicted_gain
    if gain is None:
        return ""
    verb = "cost" if gain.value < -0.0005 else "add"
    size = abs(gain.value) if verb == "cost" else gain.value
    ends = f"{percent(confidence, 0)} interval {_between(candidate, verb)}"
    text = f"is expected to {verb} {bare_points(size)} points of accuracy ({ends}) over no transfer"
    if gain.low <= 0 <= gain.high:
        text += ", neither gain nor loss excluded"
    return text if candidate.risk is None else f"{text}, with {_risk(candidate.risk)} of making it worse"


def _between(candidate: Candidate, verb: str) -> str:
    gain = candidate.predicted_gain
    if gain is None:
        return ""
    if verb == "cost":
        return f"{points(gain.low)} to {points(gain.high)}"
    return f"{bare_points(gain.low)} to {bare_points(gain.high)}"


def _risk(risk: float) -> str:
    said = chance(risk)
    if said[0].isalpha():
        return f"a risk of {said}"
    article = "an" if said.startswith("8") or said[:2] in ("11", "18") else "a"
    return f"{article} {said} risk"


def settled(realised: Difference, *, alpha: float) -> Verdict:
    """Whether transfer helped (pass) or harmed (fail) by the exact one-sided McNemar test at ``alpha``, the gate's own."""
    pair = Pair(realised.wins, realised.losses, realised.n, realised.inflation)
    if mcnemar_exact(pair) <= alpha:
        return "pass"
    harmed = mcnemar_exact(reverse(pair)) <= alpha
    return "fail" if harmed else "inconclusive"


def _measured(realised: Difference | None, alpha: float, row: str) -> str:
    if realised is None:
        return ""
    text = f"; measured afterwards: {points(realised.value)}"
    found = settled(realised, alpha=alpha)
    if found == "inconclusive":
        return f"{text} ({points(realised.low)} to {points(realised.high)}), not settled by {count(realised.n, row)}"
    return text if found == "pass" else f"{text}, so it made the model worse"


def _abstained(ranking: SourceRanking, selection: Selection | None, confidence: float) -> str:
    before = picked(ranking)
    if selection is not None and before.source is not None and before.candidate is not None:
        if before.candidate.predicted_gain is None:
            return f"Short trials found {_shown(before.candidate.name)} no better than no transfer, so {ALONE}"
        expected = _expected(before.candidate, confidence).replace("is expected", "was expected", 1)
        return f"Learning from {_shown(before.candidate.name)} {expected}, but short trials did not bear it out: {ALONE}"
    sources = [each for each in ranking.candidates if each.kind in ("domain", "champion", "version")]
    able = [each for each in sources if each.excluded is None]
    if not sources:
        return f"There was nothing to learn from, so {ALONE}"
    if not able:
        said = "The only candidate was excluded" if len(sources) == 1 else f"All {len(sources)} candidates were excluded"
        return f"{said}, so {ALONE}"
    predicted = [each for each in able if each.predicted_gain is not None]
    if not predicted:
        return f"No gain could be predicted for {_those(able)}, so {ALONE}"
    best = max(predicted, key=lambda each: each.predicted_gain.value if each.predicted_gain is not None else 0.0)
    if len(able) == 1:
        return f"Nothing is good enough to learn from: {_shown(best.name)} {_expected(best, confidence)}, so {ALONE}"
    single = [each for each in able if len(sources_of(each.source)) == 1]
    none = f"None of the {len(single)} sources is good enough"
    return f"{none}: the best, {_shown(best.name)}, {_expected(best, confidence)}, so {ALONE}"


def _those(able: list[Candidate]) -> str:
    single = [each for each in able if len(sources_of(each.source)) == 1]
    return _shown(able[0].name) if len(able) == 1 else f"any of the {len(single)} sources"
