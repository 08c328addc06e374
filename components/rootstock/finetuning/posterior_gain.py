"""Who stands where no candidate was clearly ahead: what was predicted, corrected by what was tried as far as its rows tell.

The first few of a ranking differ by little, and a short trial on few labelled rows tells them apart badly: taking its winner made
models worse (see benchmarks). But where two are predicted to gain the same, the trial is all there is to go by. So a candidate is
expected to gain what was predicted, moved towards what it gained in its trial by n / (n + ROWS_FOR_HALF) of the difference
(shrinkage towards a prior mean: Efron and Morris 1975, JASA 70(350)).
"""

from __future__ import annotations

from collections.abc import Mapping

from rootstock.finetuning.halving import Race
from rootstock.records import HalvingScore

#: A trial on so many labelled rows counts as much as the prediction: gains of the first three of a ranking differ by 1.4 points
#: (sd, reviews; more in other families, where this is careful) from what was predicted of them, right answers to a row by 0.38.
ROWS_FOR_HALF = 700


def best_by_posterior_gain(race: Race, predicted: Mapping[str, float]) -> HalvingScore:
    """The last score of the one that stands: the winner where it is clear, else the best by prediction and trial together.

    ``predicted`` has the gain in accuracy of every candidate, in the order of the ranking. Candidates that were clearly beaten
    where they were tried last do not stand. Trials are compared that were as long: those of the first round. Where accuracy ties,
    the lower log loss stands.
    """
    if race.clear:
        return race.winner
    last = {name: next(score for scores in reversed(race.rounds) for score in scores if score.name == name) for name in predicted}
    tried = {score.name: score for score in race.rounds[0]}

    def expected(name: str) -> tuple[float, float]:
        gain = tried[name].gain
        share = gain.n / (gain.n + ROWS_FOR_HALF)
        return (1 - share) * predicted[name] + share * gain.value, -tried[name].log_loss

    return last[max((name for name in predicted if not last[name].beaten), key=expected)]
