"""``rootstock rank``: what to learn from, and nothing after it."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import emit, open_project, params_options


@click.command()
@params_options
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Rank what the target could learn from; nothing is trained or registered.

    For each candidate: the gain in accuracy over no transfer that is predicted, in points with its interval, the risk that the
    transfer does harm, what its source has gained so far, and every score.
    """
    params = open_project(params_file, overrides)
    from rootstock.backbone import locate

    from rootstock_flows.lock import only_run
    from rootstock_flows.session import clean_output

    locate(params.backbone.name)  # before anything is started for a model that is not there
    with only_run(params.task, params.workspace), clean_output():
        from rootstock_flows.rank import run_rank

        document = run_rank(params)
    if document["ranking"] is None:
        from rootstock.errors import Refusal

        failed = next(result for result in document["validation"]["results"] if not result["passed"])
        raise Refusal(f"{failed['dataset']}: check {failed['check']} failed: {failed['reason']}; see {document['report']}")
    from rootstock.records import SourceRanking

    from rootstock_flows.ranking_table import ranking_text

    ranking = SourceRanking.model_validate(document["ranking"])
    told = document["ranking"] | {"sentence": document["sentence"], "report": document["report"]}
    emit(told, as_json=as_json, text=f"{ranking_text(ranking)}\n\n{document['sentence']}\nreport: {document['report']}")
