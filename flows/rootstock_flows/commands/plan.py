"""``rootstock plan``: what a run would take, before it is paid for."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.command()
@params_options
@click.option("--price", type=click.FloatRange(min=0), metavar="PER_HOUR", help="Price of the machine an hour, for the cost.")
def command(params_file: Path, overrides: tuple[str, ...], as_json: bool, price: float | None) -> None:
    """Predict time and cost of 'rootstock run', stage by stage, and say what is kept.

    Rates come from the earlier runs in the workspace; where there are none, a few rows of the target are embedded to measure. What
    is not decided yet (which source, how many rounds of trying) is counted at its most.
    """
    params = open_project(params_file, overrides)
    from rootstock.backbone import locate

    locate(params.backbone.name)
    with clean_output():
        from rootstock_flows.plan import make_plan, plan_text

        plan = make_plan(params, price_per_hour=price)
    emit(plan.model_dump(mode="json"), as_json=as_json, text=plan_text(plan))
