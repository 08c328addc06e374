"""``params.yaml`` read and checked; what is wrong is said in one line."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from rootstock.errors import ParamsError, unknown_name
from rootstock.files import read_utf8
from rootstock.params.base import Section
from rootstock.params.task import Params
from rootstock.part import Part, members


class _Loader(yaml.SafeLoader):
    """The safe loader, which names the line of a value that is not of its kind, and of a key that is given twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (
            key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"
        ):  # merges are made later
            if key.value in seen:
                problem = f"the key '{key.value}' a second time in one mapping; remove one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError) as error:  # a date without such a month; !!bool of another word
            problem = f"{node.value!r}, which is no {node.tag.rpartition(':')[2]}; put it in quotes if it is a text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def load_params(path: Path, overrides: tuple[str, ...] = ()) -> Params:
    """Read and check ``params.yaml``, then apply ``a.b=c`` overrides.

    Raises ParamsError with the full path of the first wrong key, what was expected and what was found.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ParamsError(f"{path}: expected a params file, found {found}; 'rootstock init NAME' writes one")
    try:
        raw = yaml.load(read_utf8(path), _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ParamsError(f"{path}{where}: expected YAML, found {_problem(error)}") from error
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
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ParamsError(f"--set {override}: expected a YAML value, found {_problem(error)}") from error


def _problem(error: Exception) -> str:
    """What is wrong with the YAML, after the word found."""
    return str(getattr(error, "problem", None) or error).removeprefix("but ").removeprefix("found ")


def _one_line(error: ValidationError, where: str, raw: object) -> str:
    details = error.errors(include_url=False)
    # A misspelt key is unknown, and the right one missing: what was written says more than what was not.
    first = next((each for each in details if each["type"] == "extra_forbidden"), details[0])
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    match first["type"]:
        case "extra_forbidden":
            said = unknown_name("key", first["loc"][-1], _known_keys(raw, first["loc"][:-1]))
        case "missing":
            said = "expected a value, found none; every key has its value in the file"
        case "model_type":
            said = f"expected a mapping of keys to values, found {first['input']!r}"
        case "tuple_type":
            said = f"expected a list, such as [{first['input']}], found {first['input']!r}"
        case "too_short":
            said = f"expected a list of at least {first['ctx']['min_length']}, found {first['input']!r}"
        case "value_error":
            said = str(first["ctx"]["error"])
        case _:
            said = f"{first['msg'][0].lower()}{first['msg'][1:]}, found {first['input']!r}"
    return f"{where}: {path}: {said}{more}"


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section, or the family of Parts, that stands in an annotation such as ``Section | None`` or a tuple of them."""
    if inspect.isclass(annotation) and issubclass(annotation, Section | Part):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)


def _known_keys(raw: Any, steps: tuple[int | str, ...]) -> tuple[str, ...]:
    """Keys of the section, or of the Part, at ``steps``."""
    model: type[BaseModel] = Params
    for step in steps:
        raw = raw[step]
        if isinstance(step, str):
            model = _model_in(model.model_fields[step].annotation) or model
        if isinstance(raw, dict) and issubclass(model, Part):
            model = members(model)[raw["name"]]
    return tuple(model.model_fields)
