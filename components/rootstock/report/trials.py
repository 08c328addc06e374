"""Successive halving as the report shows it: the rounds, who was in them and who stayed."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from rootstock.records import HalvingScore, Selection, sources_of
from rootstock.report.figures.intervals import Interval, intervals
from rootstock.report.wording import count, points


@dataclass(frozen=True)
class Round:
    """One round."""

    title: str
    scores: tuple[HalvingScore, ...]
    """best first"""
    figure: Markup


def rounds(selection: Selection) -> tuple[Round, ...]:
    """The rounds with their gains over no transfer, all on one scale; empty where nothing was tried."""
    gains = [each.gain for scores in selection.rounds for each in scores]
    shown = [end for gain in gains for end in (gain.low, gain.high)]
    drawn = []
    for index, scores in enumerate(selection.rounds):
        ordered = tuple(sorted(scores, key=lambda each: (not each.kept, each.log_loss, each.name)))
        rows = [_interval(each, last=index == len(selection.rounds) - 1, chosen=selection.chosen_name) for each in ordered]
        most = max((each.source_rows // len(sources_of(each.name)) for each in scores), default=0)
        title = f"Round {index + 1}: {count(len(scores), 'candidate')}, {count(most, 'row')} of each source"
        drawn.append(Round(title, ordered, intervals(rows, text=points, reference=0.0, shown=shown)))
    return tuple(drawn)


def _interval(score: HalvingScore, *, last: bool, chosen: str | None) -> Interval:
    won = last and score.name == chosen
    shape, tone = ("diamond", "model") if won else ("circle", "champion" if score.kept else "plain")
    tag = "chosen" if won else "kept" if score.kept else "dropped"
    return Interval(score.name, score.gain.value, score.gain.low, score.gain.high, shape, tone, tag)
