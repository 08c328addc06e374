"""``params.yaml`` read and checked; what is wrong is said in one line."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rootstock.errors import ParamsError, unknown_name
from rootstock.files import read_utf8
from rootstock.params.base import Section
from rootstock.params.task import Params
from rootstock.part import families, members


def load_params(path: Path, overrides: tuple[str, ...] = ()) -> Params:
    """Read and check ``params.yaml``, then apply ``a.b=c`` overrides.

    Raises ParamsError with the full path of the first wrong key, what was expected and what was found.
    """
    if not path.is_file():
        raise ParamsError(f"{path}: expected a params file, found nothing; 'rootstock init NAME' writes one")
    try:
        raw = yaml.safe_load(read_utf8(path))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{path}{where}: expected YAML, found {getattr(error, 'problem', error)}") from error
    if not isinstance(raw, dict):
        raise ParamsError(f"{path}: expected a mapping of sections, found {type(raw).__name__}; compare 'rootstock init NAME'")
    for override in overrides:
        _apply(raw, override)
    return parse_params(raw, path.name)


def parse_params(raw: object, where: str) -> Params:
    """Check an already parsed mapping; ``where`` names it in errors."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise ParamsError(_one_line(error, where, raw)) from error


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ParamsError(f"--set {override}: expected KEY.PATH=VALUE, found no '='")
    steps = key.split(".")
    node: Any = raw
    for depth, step in enumerate(steps):
        place: Any = int(step) if isinstance(node, list) and step.isdecimal() else step
        known = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
        if place not in known:
            parent = ".".join(steps[:depth]) or "params"
            raise ParamsError(f"--set {override}: {unknown_name(f'key of {parent}', step, map(str, known))}")
        if depth == len(steps) - 1:
            node[place] = _value(override, text)
        else:
            node = node[place]


def _value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParamsError(f"--set {override}: expected a YAML value, found {getattr(error, 'problem', None) or error}") from error


def _one_line(error: ValidationError, where: str, raw: object) -> str:
    details = error.errors(include_url=False)
    first = details[0]
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            said = unknown_name("key", first["loc"][-1], _known_keys(raw, first["loc"][:-1]))
        case "missing":
            said = "expected a value, found none; every key has its value in the file"
        case "tuple_type":
            said = f"expected a list, such as [{first['input']}], found {first['input']!r}"
        case "too_short":
            said = f"expected a list of at least {first['ctx']['min_length']}, found {first['input']!r}"
        case "value_error":
            said = str(first["ctx"]["error"])
        case _:
            said = f"{first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}"
    return f"{where}: {path}: {said}{more}"


def _section_of(annotation: Any) -> Any:
    """The section that an annotation such as ``Section | None`` allows."""
    return next((each for each in typing.get_args(annotation) if inspect.isclass(each) and issubclass(each, Section)), annotation)


def _known_keys(raw: Any, steps: tuple[int | str, ...]) -> tuple[str, ...]:
    """Keys of the section, or of the Part, at ``steps``."""
    model: Any = Params
    for step in steps:
        raw = raw[step]
        field = getattr(model, "model_fields", {}).get(step)
        model = _section_of(getattr(field, "annotation", None))
    named = raw.get("name")
    parts = (family_members[named] for family in families() if named in (family_members := members(family)))
    found = model if inspect.isclass(model) and issubclass(model, Section) else next(parts)
    return tuple(found.model_fields)
