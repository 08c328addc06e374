"""Settle what to learn from: the best of the ranking are tried before one is paid for."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rootstock.finetuning.halving import Race, Trial, run_race, trials_at_most
from rootstock.finetuning.posterior_gain import best_by_posterior_gain
from rootstock.finetuning.starts import published_encoder
from rootstock.finetuning.trial import Course, try_candidate, try_no_transfer
from rootstock.groups import group_numbers
from rootstock.params import BackboneParams, DataParams, SimilarityParams
from rootstock.records import Candidate, HalvingScore, PreparedData, Selection, SourceRanking
from rootstock.rows import EncoderSource, read_split
from rootstock.source_data import SourceData, find_source


def select(
    prepared: PreparedData,
    ranking: SourceRanking,
    *,
    data: DataParams,
    backbone: BackboneParams,
    similarity: SimilarityParams,
    workspace: str,
    seed: int,
    folder: Path,
) -> Selection:
    """Try the ranking's best source domains by successive halving, and select the winner, or none.

    Each is tuned with ``similarity.halving.method`` on a few rows of its source, or of each of several, and cross-validated on the
    target's labelled rows; beside them, on the same rows, the first backbone without transfer. Where none is clearly ahead, what
    was predicted and what was tried decide together (posterior_gain.py). When the whole interval of the selected gain over no
    transfer lies below zero, no source is selected. The test rows are not read. Where the ranking did not choose a domain, or fewer
    than two enter, nothing is tried and the ranking's choice stands. Trials are kept in ``workspace``/halving; writes nothing to
    ``folder``.
    """
    started = time.perf_counter()
    entrants = _entrants(ranking, prepared, similarity.halving.candidates)
    if len(entrants) < 2:
        return _as_ranked(ranking, seconds=time.perf_counter() - started)

    def encoder_of(name: str) -> EncoderSource:
        return published_encoder(name, data=data, backbone=backbone, workspace=workspace)

    course = Course(prepared.target, similarity, seed, Path(workspace) / "halving")
    control = try_no_transfer(course, encoder_of(backbone.name))
    race = _run(course, entrants, control, encoder_of=encoder_of)
    predicted = {each.name: each.predicted_gain.value for each, _ in entrants if each.predicted_gain is not None}
    stands = best_by_posterior_gain(race, predicted)
    winner = next(candidate for candidate, _ in entrants if candidate.name == stands.name)
    helps = stands.gain.high >= 0
    return Selection(
        chosen=winner.source if helps else None,
        chosen_name=winner.name if helps else None,
        chosen_kind="domain" if helps else "backbone",
        backbone=winner.backbone if helps else backbone.name,
        matched_labels=winner.matched_labels if helps else {},
        rounds=race.rounds,
        reason=_reason(race, stands, control, helps=helps, ranked=list(predicted)),
        rows_trained=race.row_passes,
        seconds=time.perf_counter() - started,
    )


def _entrants(ranking: SourceRanking, prepared: PreparedData, count: int) -> list[tuple[Candidate, SourceData]]:
    """The best eligible sources with their data, best first."""
    if ranking.chosen is None or ranking.chosen_kind != "domain":
        return []
    eligible = [
        each for each in ranking.candidates if each.kind == "domain" and each.excluded is None and each.predicted_gain is not None
    ]
    return [(candidate, find_source(candidate.source, prepared.sources)) for candidate in eligible[:count]]


def _as_ranked(ranking: SourceRanking, *, seconds: float) -> Selection:
    chosen = next((candidate for candidate in ranking.candidates if candidate.name == ranking.chosen_name), None)
    return Selection(
        chosen=ranking.chosen, chosen_name=ranking.chosen_name, chosen_kind=ranking.chosen_kind, backbone=ranking.backbone,
        matched_labels=chosen.matched_labels if chosen else {}, rounds=(), reason=ranking.reason, rows_trained=0, seconds=seconds,
    )  # fmt: skip


def _run(
    course: Course,
    entrants: Sequence[tuple[Candidate, SourceData]],
    control: Trial,
    *,
    encoder_of: Callable[[str], EncoderSource],
) -> Race:
    from tqdm import tqdm

    field = {candidate.name: (candidate, source) for candidate, source in entrants}
    with tqdm(
        total=trials_at_most(len(field)), desc="trying sources", unit="trial", disable=None, leave=False, file=sys.stderr
    ) as bar:

        def attempt(name: str, rows: int) -> Trial:
            candidate, source = field[name]
            bar.set_postfix_str(f"{name}, {rows} rows of each source")
            of_all = rows * len(source.datasets)
            found = try_candidate(course, candidate, source, encoder=encoder_of(candidate.backbone), rows=of_all)
            bar.update()
            return found

        return run_race(
            {name: source.row_count // len(source.datasets) for name, (_, source) in field.items()},
            attempt,
            control=control,
            halving=course.similarity.halving,
            confidence=course.similarity.confidence,
            seed=course.seed,
            groups=group_numbers(read_split(course.target, "train")),
        )


def _reason(race: Race, stands: HalvingScore, control: Trial, *, helps: bool, ranked: list[str]) -> str:
    tried = len(race.rounds[0])
    if not helps:
        place = "the best" if race.clear else f"{_place(race, stands, ranked)},"
        return (
            f"no source helps: train on the target alone; {stands.name}, {place} of {tried} tried, reaches an accuracy of "
            f"{stands.accuracy.value:.3f} against {control.accuracy:.3f} without transfer, {_gain(stands)}"
        )
    rivals = ", ".join(f"{other.name} ({other.log_loss:.3f})" for other in race.rounds[-1] if other.name != stands.name)
    reached = f"{stands.log_loss:.3f} nats a row after tuning on {stands.source_rows:,} of its rows"
    gain = f"its gain over no transfer is {_gain(stands)}"
    if race.clear:
        return f"of {tried} sources tried, {stands.name} is clearly ahead of {rivals}: {reached}; {gain}"
    place = _place(race, stands, ranked)
    lasted = any(score.name == stands.name for score in race.rounds[-1])
    beside = f"beside {rivals}" if lasted else f"where it was not clearly beaten, though others went on: {rivals}"
    return f"of {tried} sources tried none is clearly ahead, so {stands.name}, {place}, stands: {reached}, {beside}; {gain}"


def _place(race: Race, stands: HalvingScore, ranked: list[str]) -> str:
    """Of the one that stands though none was clearly ahead; ``ranked`` are the names in the order of the ranking."""
    before = ranked[: ranked.index(stands.name)]
    if not before:
        return "the first of the ranking"
    beaten = {score.name for scores in race.rounds for score in scores if score.beaten}
    if beaten >= set(before):
        return "the first of the ranking that was not clearly beaten"
    return "the best by prediction and trial together"


def _gain(winner: HalvingScore) -> str:
    gain = winner.gain
    return (
        f"{100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}) "
        f"by cross-validation on {gain.n} labelled rows"
    )
