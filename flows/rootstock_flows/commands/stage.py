"""``rootstock stage NAME``: one stage from files to files, as ``dvc repro`` calls it."""

from __future__ import annotations

from pathlib import Path

import click

from rootstock_flows.session import clean_output, emit, open_project, params_options, say


@click.command()
@click.argument("name")
@params_options
def command(name: str, params_file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Run one stage from the records of the stages before it.

    Those of dvc.yaml, up to evaluate: an experiment changes nothing in production. What comes after it is done by 'rootstock run'.
    """
    params = open_project(params_file, overrides)
    from rootstock.errors import InputError
    from rootstock.records import Record
    from rootstock.stages import experiment_stages, find_stage, producer

    from rootstock_flows.describe import describe
    from rootstock_flows.experiment import write_beside
    from rootstock_flows.in_processes import run_stage_as_asked

    stage = find_stage(name)
    if stage not in experiment_stages():
        known = ", ".join(each.name for each in experiment_stages())
        raise InputError(f"expected a stage of an experiment ({known}), found {name}, which only 'rootstock run' goes through")
    root = Path(params.workspace) / "experiment"
    with clean_output():
        inputs: dict[type[Record], Record] = {kind: kind.load(root / producer(kind).name) for kind in stage.inputs}
        record = run_stage_as_asked(stage, inputs, params=params, folder=root / name, run_key="experiment")
        write_beside(record, params=params, root=root)
    say(f"{name}: {describe(record)}")
    emit(record, as_json=as_json, text=(root / name / "record.json").as_posix())
