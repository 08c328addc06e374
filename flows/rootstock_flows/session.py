"""What all commands share: their options, the project they work in, and how they answer."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rootstock.params import Params
    from rootstock.records import Record


#: Loggers that tell of each file and folder at level INFO.
CHATTY_LOGGERS = ("dvc", "great_expectations", "mlflow", "alembic")


@dataclass
class Answer:
    """Whether a command has answered: where it ends with an error before, that is the one document of ``--json``."""

    given: bool = False


def params_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--params``, ``--set`` and ``--json``; the command gets ``params_file``, ``overrides`` and ``as_json``."""

    @click.option("--params", "params_file", type=click.Path(path_type=Path), default=Path("params.yaml"), show_default=True,
                  help="The task's file; the project is the folder it stands in.")  # fmt: skip
    @click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override one value of the file; repeatable.")
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output and nothing else there.")
    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        return command(*arguments, **options)

    return wrapped


def open_project(params_file: Path, overrides: tuple[str, ...] = ()) -> Params:
    """Read the params, then go to the project folder, from which every path in records counts."""
    from rootstock.params import load_params

    from rootstock_flows.environment import embed

    params = load_params(params_file, overrides)
    os.chdir(params_file.resolve().parent)
    embed(params.workspace)
    return params


def say(line: str) -> None:
    """Progress, for people: standard error."""
    click.echo(line, err=True)


def emit(answer: Record | dict[str, Any], *, as_json: bool, text: str) -> None:
    """The command's answer: one JSON document, or the text."""
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, Answer):
        context.obj.given = True
    if not as_json:
        click.echo(text)
        return
    from pydantic_core import to_jsonable_python

    # JSON in any encoding, and null for a number that JSON has no word for.
    document = answer if isinstance(answer, dict) else answer.model_dump(mode="json")
    click.echo(json.dumps(to_jsonable_python(document, inf_nan_mode="null"), indent=2))


def refuse_if_no(document: dict[str, Any]) -> None:
    """Raise Refusal if a check said no to the data of a run, or the gates to its model; after its document was given."""
    from rootstock.errors import Refusal

    from rootstock_flows.document import no_of

    if reason := no_of(document):
        raise Refusal(reason)


@contextlib.contextmanager
def clean_output() -> Iterator[None]:
    """Send whatever libraries print to standard error, and drop their warnings."""
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
        yield
