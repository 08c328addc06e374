"""``rootstock gates``: what the panel could tell, and what it would have said of earlier runs."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options


@click.group("gates")
def command() -> None:
    """Rehearse the gates: 'power' before a run, 'replay' on past ones. Nothing is trained."""


@command.command()
@params_options
@click.option("--difference", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="SHARE",
              help="Say how many rows would show it, such as 0.02.  [default: each gate's own margin]")  # fmt: skip
@click.option("--accuracy", type=click.FloatRange(0, 1), metavar="SHARE", help="Expected of models; else the newest run's.")
@click.option("--discordance", type=click.FloatRange(0, 1), metavar="SHARE",
              help="Share of rows on which one of two models is right and the other wrong; else the newest run's.")  # fmt: skip
def power(
    params_file: Path, overrides: tuple[str, ...], as_json: bool, difference: float | None, accuracy: float | None,
    discordance: float | None,
) -> None:  # fmt: skip
    """Say which difference each gate can find with the target's test rows, and how many rows a difference takes."""
    params = open_project(params_file, overrides)
    from rootstock_flows.power import make_power, power_text

    with clean_output():
        found = make_power(params, wanted=difference, accuracy=accuracy, discordance=discordance)
    emit(found, as_json=as_json, text=power_text(found))


@command.command()
@params_options
def replay(params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Ask the panel of the params (with --set) about the stored predictions of past runs, and say which decisions change."""
    params = open_project(params_file, overrides)
    from rootstock_flows.replay import replay as judge_again
    from rootstock_flows.replay import replay_text

    found = judge_again(params.workspace, params.gates)
    emit(found, as_json=as_json, text=replay_text(found))
