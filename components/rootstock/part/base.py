"""What every Part is, and how it is found by its name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from rootstock.errors import unknown_name


class Part(BaseModel):
    """A named piece of behaviour with frozen parameters; every parameter has its value in ``params.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str

    family: ClassVar[str]
    package: ClassVar[str]


AnyPart = TypeVar("AnyPart", bound=Part)


@cache
def members(family: type[AnyPart]) -> dict[str, type[AnyPart]]:
    """Every Part of a family by name, found by importing each module of the family's package.

    Raises TypeError if two classes claim one name.
    """
    package = importlib.import_module(family.package)
    found: dict[str, type[AnyPart]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{family.package}.{info.name}")
        for _, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == module.__name__ and issubclass(member, family) and not inspect.isabstract(member):
                name = str(member.model_fields["name"].default)
                if name in found:
                    raise TypeError(f"{member.__module__} and {found[name].__module__} both name a {family.family} '{name}'")
                found[name] = member
    return dict(sorted(found.items()))


def parse_part(family: type[AnyPart], value: object) -> AnyPart:
    """A Part from its mapping in ``params.yaml`` (``{name: ..., parameter: ...}``).

    Raises ValueError naming the known members for a name that is none, and pydantic's error for a wrong parameter.
    """
    if isinstance(value, family):
        return value
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError(f"expected a {family.family} as a mapping with the key 'name', found {value!r}")
    known = members(family)
    if value["name"] not in known:
        raise ValueError(unknown_name(family.family, value["name"], known))
    part: AnyPart = known[value["name"]].model_validate(value)
    return part
