"""Parts are found by file, and hold no values of their own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from rootstock import params
from rootstock.part import SimilarityMetric, families, members, parse_part

EXAMPLE = """
from __future__ import annotations
from typing import Literal
from rootstock.part import Pair, SimilarityMetric


class Example(SimilarityMetric):
    name: Literal["{name}"] = "{name}"
    neighbours: int

    def measure(self, pair: Pair) -> float | None:
        return float(self.neighbours)
"""


@pytest.fixture
def added_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a file into the package of similarity metrics, as far as Python can tell."""
    package = importlib.import_module("rootstock.similarity")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    before = set(sys.modules)

    def add(file: str, name: str) -> None:
        (tmp_path / f"{file}.py").write_text(EXAMPLE.format(name=name), encoding="utf-8")
        importlib.invalidate_caches()
        members.cache_clear()

    yield add
    members.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("rootstock.similarity."):
            monkeypatch.delitem(sys.modules, name)


def all_parts() -> list[Any]:
    return [pytest.param(part, id=f"{family.family}: {name}") for family in families() for name, part in members(family).items()]


def sections() -> list[type[BaseModel]]:
    found = [value for value in vars(params).values() if isinstance(value, type) and issubclass(value, params.Section)]
    return [section for section in found if section is not params.Section]


def test_a_new_metric_is_a_new_file_and_nothing_else(added_file, params_mapping):
    added_file("example", "example")
    raw = params_mapping()
    raw["similarity"]["metrics"].append({"name": "example", "neighbours": 3})
    chosen = params.parse_params(raw, "params.yaml").similarity.metrics[-1]
    assert chosen.measure(None) == 3.0
    assert chosen.model_dump() == {"name": "example", "neighbours": 3}


def test_two_files_that_claim_one_name_are_a_programming_error(added_file):
    added_file("another", "logme")
    with pytest.raises(TypeError, match=r"both name a similarity metric 'logme'"):
        members(SimilarityMetric)


def test_every_family_has_members_of_its_kind():
    for family in families():
        assert members(family), family
        assert all(issubclass(part, family) for part in members(family).values())


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown similarity metric 'logm'; known: .*; did you mean 'logme'\?"):
        parse_part(SimilarityMetric, {"name": "logm"})


def test_a_part_without_a_name_is_refused():
    with pytest.raises(ValueError, match="as a mapping with the key 'name', found 'logme'"):
        parse_part(SimilarityMetric, "logme")


@pytest.mark.parametrize("part", all_parts())
def test_no_part_has_a_value_of_its_own_but_its_name(part):
    assert [name for name, field in part.model_fields.items() if not field.is_required()] == ["name"]


@pytest.mark.parametrize("section", sections())
def test_no_section_has_a_value_of_its_own(section):
    assert all(field.is_required() for field in section.model_fields.values())


@pytest.mark.parametrize("part", all_parts())
def test_parts_are_frozen(part):
    with pytest.raises(ValidationError, match="frozen"):
        part.model_construct(name="x").name = "y"
