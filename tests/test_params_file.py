"""params.yaml holds every value, and the code none."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from rootstock import params as params_module
from rootstock.errors import ParamsError
from rootstock.params import Params, Section, load_params, parse_params
from rootstock.part import families, members

ROOT = Path(__file__).parents[1]
FILES = sorted(ROOT.glob("params*.yaml"))
RAW = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def key_paths(node: Any, *above: str | int) -> list[tuple[str | int, ...]]:
    """Path of every key of a mapping at any depth."""
    if isinstance(node, dict):
        return [path for key, inner in node.items() for path in [(*above, key), *key_paths(inner, *above, key)]]
    if isinstance(node, list):
        return [path for index, inner in enumerate(node) for path in key_paths(inner, *above, index)]
    return []


def without(path: tuple[str | int, ...]) -> Any:
    raw = copy.deepcopy(RAW)
    node = raw
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return raw


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_file_is_valid(file):
    assert load_params(file).task


@pytest.mark.parametrize("path", key_paths(RAW), ids=lambda path: ".".join(map(str, path)))
def test_no_key_can_be_left_out(path):
    with pytest.raises(ParamsError) as caught:
        parse_params(without(path), "params.yaml")
    assert str(caught.value).startswith("params.yaml: ")
    assert str(path[0]) in str(caught.value)


def test_no_section_has_a_default():
    sections = [item for item in vars(params_module).values() if isinstance(item, type) and issubclass(item, Section)]
    assert len(sections) > 10
    assert [defaulted for section in sections for defaulted in defaults(section)] == []


def test_no_part_has_a_default_but_its_name():
    parts = [part for family in families() for part in members(family).values()]
    assert len(parts) > 15
    assert [defaulted for part in parts for defaulted in defaults(part) if not defaulted.endswith(".name")] == []


def defaults(model: type[BaseModel]) -> list[str]:
    return [f"{model.__name__}.{name}" for name, field in model.model_fields.items() if not field.is_required()]


def test_every_part_of_a_panel_stands_in_the_file_or_is_known():
    """A part that no file shows would be found by nobody: ``rootstock parts`` lists it at least."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in FILES)
    shown = {name for family in families() for name in members(family) if f"name: {name}" in text}
    assert {"text", "lora", "full", "linear_probe", "floor", "leakage", "centroid_cosine", "embedding_drift"} <= shown


def test_what_is_read_is_what_stands_there():
    read = load_params(ROOT / "params.yaml").model_dump(mode="json")
    assert read == RAW


def test_an_override_reaches_into_lists():
    changed = load_params(ROOT / "params.yaml", ("gates.panel.0.at_least=0.75", "seed=3"))
    assert isinstance(changed, Params)
    assert (changed.gates.panel[0].at_least, changed.seed) == (0.75, 3)
