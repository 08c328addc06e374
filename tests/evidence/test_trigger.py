"""What set a run off, in the words that its decision keeps."""

from __future__ import annotations

import pytest
from rootstock_flows.trigger import FORCED, of_deployment, of_watch


def seen(*, retrain: bool, drifted: bool | None) -> dict[str, object]:
    return {"decision": {"retrain": retrain, "reason": "so"}, "drift": None if drifted is None else {"drifted": drifted}}


@pytest.mark.parametrize(
    ("tags", "said"), [(["auto-scheduled"], "schedule"), ([], "started in Prefect"), (["mine"], "started in Prefect")]
)
def test_a_deployment_says_whether_its_schedule_ran_it(tags, said):
    assert of_deployment(tags) == said


@pytest.mark.parametrize(
    ("retrain", "drifted", "said"),
    [
        (True, True, "drift: so"),
        (True, False, "new data: so"),
        (True, None, "new data: so"),
        (False, True, "by hand, forced; the watch would have waited: so"),
    ],
)
def test_a_retraining_is_set_off_by_what_the_watch_found_and_else_by_whoever_forced_it(retrain, drifted, said):
    assert of_watch(seen(retrain=retrain, drifted=drifted), otherwise=FORCED) == said
