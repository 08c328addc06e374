"""The ranking as the report shows it: predicted gains with the risk and the prior beside, the map, the scores."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from rootstock.part import SimilarityMetric, members
from rootstock.records import Candidate, Measure, SourceRanking
from rootstock.report.figures.domain_map import domain_map, is_crowded, neighbours
from rootstock.report.figures.intervals import Interval, intervals
from rootstock.report.heat import heat_rows
from rootstock.report.run_records import RunRecords
from rootstock.report.transfer import Pick, picked, weighed
from rootstock.report.wording import chance, count, points

#: Candidates in the pictures; more are in the table alone.
SHOWN_CANDIDATES = 30


def ranked(run: RunRecords) -> dict[str, Any]:
    """What the section on the ranking is filled from; empty before the ranking."""
    ranking = run.ranking
    if ranking is None:
        return {}
    pick = picked(ranking, run.selection)
    metrics = tuple(dict.fromkeys(name for each in ranking.candidates for name in each.scores))
    considered = tuple(each for each in ranking.candidates if each.excluded is None)
    target = run.resolution.target.dataset
    return {
        "weighed": weighed(ranking),
        "chosen_name": pick.name,
        "gains_figure": _gains(ranking, pick, max_risk=run.setting("similarity", "max_risk", otherwise=1.0)),
        "most": SHOWN_CANDIDATES,
        "noted": tuple(each for each in considered if each.notes or _renamed(each))[:SHOWN_CANDIDATES],
        "considered": considered,
        "excluded": tuple(each for each in ranking.candidates if each.excluded is not None),
        "map_figure": domain_map(ranking.projection, target=target, chosen=pick.source),
        "neighbours": neighbours(ranking.projection, target=target, chosen=pick.source),
        "crowded": is_crowded(ranking.projection),
        "metrics": metrics,
        "units": {name: part.unit for name, part in members(SimilarityMetric).items() if name in metrics},
        "heat": heat_rows(ranking.candidates, metrics),
        "one_backbone": len({each.backbone for each in ranking.candidates}) < 2,
        "renamed": {each.name: _renamed(each) for each in ranking.candidates},
    }


def _gains(ranking: SourceRanking, pick: Pick, *, max_risk: float) -> Markup:
    rows = [
        Interval(
            each.name,
            gain.value,
            gain.low,
            gain.high,
            *_role(each, pick),
            prior=None if each.prior is None else (each.prior.value, each.prior.low, each.prior.high),
            asides=(_risk(each.risk, max_risk), _prior(each.prior)),
        )
        for each in ranking.candidates
        if (gain := each.predicted_gain) is not None and each.excluded is None
    ]
    return intervals(rows[:SHOWN_CANDIDATES], text=points, reference=0.0)


def _role(candidate: Candidate, pick: Pick) -> tuple[str, str, str]:
    if candidate.name == pick.name:
        return "diamond", "model", "chosen"
    return ("square", "champion", "champion") if candidate.kind == "champion" else ("circle", "plain", "")


def _risk(risk: float | None, max_risk: float) -> str:
    if risk is None:
        return "risk not known"
    return f"risk {chance(risk)}" + (", too high" if risk > max_risk else "")


def _prior(prior: Measure | None) -> str:
    if prior is None:
        return "no prior"
    return f"prior {points(prior.value)}, {count(prior.n, 'run')}"


def _renamed(candidate: Candidate) -> tuple[tuple[str, str], ...]:
    """Labels that were matched by meaning: (the target's, the candidate's)."""
    return tuple((ours, theirs) for ours, theirs in sorted(candidate.matched_labels.items()) if ours != theirs)
