"""Which file may import what: the rules as functions of a source tree, held against this one and against trees that break them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STAGE_PACKAGES = {
    "data", "validation", "similarity", "finetuning", "evaluation", "registration", "monitoring", "labelling", "export", "report",
}  # fmt: skip
#: Module -> what of Rootstock it may import when it runs.
LOWEST = {
    "errors": set(), "jpeg": set(), "pictures": {"jpeg"}, "threads": set(), "files": {"errors"},
    "table": {"errors", "files", "pictures", "threads"},
    "records": {"errors", "files", "records"},
}  # fmt: skip
#: Modules beside the stage packages that stand above them; all others are shared by them and know none.
ABOVE = {"params", "stages"}
ONE_FILE_TOOLS = ("mlflow", "great_expectations", "evidently", "dvc")
HEAVY = {
    "torch", "transformers", "peft", "mlflow", "evidently", "great_expectations", "dvc", "pandas", "numpy", "scipy", "sklearn",
    "matplotlib", "datasets", "statsmodels", "ot", "onnx", "onnxruntime", "optuna", "tokenizers", "safetensors",
    "lightgbm", "accelerate",
}  # fmt: skip
NO_PREFECT = {"cli.py", "session.py", "environment.py", "lock.py"}

Rule = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Import:
    """One imported module in a file."""

    file: Path
    module: str
    line: int
    is_late: bool
    """inside a function"""
    is_typing: bool
    """under ``if TYPE_CHECKING``"""

    def says(self, root: Path, rule: str) -> str:
        return f"{self.file.relative_to(root)}:{self.line} imports {self.module}: {rule}"


def imports(file: Path, package_root: Path) -> list[Import]:
    """Every import of a file, also inside functions; ``from a import b`` counts as ``a`` and ``a.b``."""
    return _imports(file, package_root, file.read_text(encoding="utf-8"))


@cache
def _imports(file: Path, package_root: Path, text: str) -> list[Import]:
    found: list[Import] = []

    def add(module: str, node: ast.AST, late: bool, typing: bool) -> None:
        found.append(Import(file, module, getattr(node, "lineno", 0), late, typing))

    def visit(node: ast.AST, late: bool, typing: bool) -> None:
        if isinstance(node, ast.Import):
            for name in node.names:
                add(name.name, node, late, typing)
        elif isinstance(node, ast.ImportFrom):
            above = file.relative_to(package_root).parent.parts
            base = ".".join([*above[: len(above) - node.level + 1], *([node.module] if node.module else [])]) if node.level else ""
            base = base or str(node.module)
            add(base, node, late, typing)
            for name in node.names:
                add(f"{base}.{name.name}", node, late, typing)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.body:
                visit(child, late, True)
            for child in node.orelse:
                visit(child, late, typing)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                visit(child, late or is_function, typing)

    visit(ast.parse(text), False, False)
    return found


def below(root: Path, folder: str) -> Iterator[Import]:
    """Imports of all files under ``components`` or ``flows``, or a folder in them."""
    package_root = root / Path(folder).parts[0]
    for file in sorted((root / folder).rglob("*.py")):
        yield from imports(file, package_root)


def is_of(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def component(module: str) -> str | None:
    """``similarity`` for ``rootstock.similarity.rank``, None for what is not Rootstock's."""
    return module.split(".")[1] if module.startswith("rootstock.") else None


def stage_package(file: Path) -> str | None:
    return next((part for part in file.parts[-3:-1] if part in STAGE_PACKAGES and "rootstock" in file.parts), None)


def components_know_no_flows(root: Path) -> list[str]:
    return [
        found.says(root, "components never import Prefect or the flows")
        for found in below(root, "components")
        if is_of(found.module, "prefect", "rootstock_flows")
    ]


def siblings_meet_in_records(root: Path) -> list[str]:
    return [
        found.says(root, "stage packages never import one another")
        for found in below(root, "components")
        if (own := stage_package(found.file)) and component(found.module) in STAGE_PACKAGES - {own}
    ]


def module_of(file: Path) -> str | None:
    """The module or package right below ``rootstock`` that a file is, or stands in."""
    return file.stem if file.parent.name == "rootstock" else file.parent.name if file.parents[1].name == "rootstock" else None


def lowest_import_nothing_higher(root: Path) -> list[str]:
    return [
        found.says(root, f"{module} imports nothing higher")
        for found in below(root, "components")
        if (module := module_of(found.file)) in LOWEST and not found.is_typing
        if (other := component(found.module)) is not None and other not in LOWEST[module]
    ]


def shared_know_no_stage(root: Path) -> list[str]:
    return [
        found.says(root, "shared modules know neither params nor stages")
        for found in below(root, "components")
        if module_of(found.file) not in {None, *STAGE_PACKAGES, *ABOVE}
        if component(found.module) in STAGE_PACKAGES | ABOVE
    ]  # fmt: skip


def parts_know_no_params(root: Path) -> list[str]:
    return [
        found.says(root, "a part gets its parameters, it does not read them")
        for found in below(root, "components")
        if component(found.module) == "params" and is_part(found.file)
    ]


def is_part(file: Path) -> bool:
    """Whether a class of the file names itself: ``name: Literal["x"] = "x"``."""
    classes = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef))
    fields = (field for node in classes for field in node.body if isinstance(field, ast.AnnAssign))
    return any(ast.unparse(field.target) == "name" and ast.unparse(field.annotation).startswith("Literal[") for field in fields)


def each_tool_in_one_file(root: Path) -> list[str]:
    found = [*below(root, "components"), *below(root, "flows")]
    files = {tool: sorted({i.file.relative_to(root).as_posix() for i in found if is_of(i.module, tool)}) for tool in ONE_FILE_TOOLS}
    return [
        f"{tool} is imported in {', '.join(names) or 'no file'}: exactly one file may"
        for tool, names in files.items()
        if len(names) != 1
    ]


def nothing_heavy_at_the_top(root: Path) -> list[str]:
    return [
        found.says(root, "heavy imports stand inside the functions that need them")
        for folder in ("components", "flows/rootstock_flows/commands")
        for found in below(root, folder)
        if found.module.split(".")[0] in HEAVY and not found.is_late and not found.is_typing
    ]


def command_line_without_prefect(root: Path) -> list[str]:
    return [
        found.says(root, "the command line starts without Prefect")
        for found in below(root, "flows")
        if (found.file.name in NO_PREFECT or found.file.parent.name == "commands") and is_of(found.module, "prefect")
    ]


RULES: dict[Rule, tuple[str, str]] = {
    components_know_no_flows: ("components/rootstock/files.py", "def f():\n    import prefect.states"),
    siblings_meet_in_records: ("components/rootstock/similarity/rank.py", "def f():\n    from rootstock.finetuning import tune"),
    lowest_import_nothing_higher: ("components/rootstock/files.py", "from rootstock.records import Record"),
    shared_know_no_stage: ("components/rootstock/part/gate.py", "from rootstock import params"),
    parts_know_no_params: (
        "components/rootstock/similarity/mean.py",
        'from rootstock.params import Params\nclass Mean(SimilarityMetric):\n    name: Literal["mean"] = "mean"',
    ),
    each_tool_in_one_file: ("flows/rootstock_flows/train.py", "def f():\n    from mlflow import log_metric"),
    nothing_heavy_at_the_top: ("components/rootstock/head.py", "try:\n    import torch.nn\nexcept ImportError:\n    torch = None"),
    command_line_without_prefect: ("flows/rootstock_flows/commands/run.py", "def f():\n    from prefect import flow"),
}  # fmt: skip

CLEAN = {
    "components/rootstock/errors.py": "",
    "components/rootstock/files.py": "from rootstock.errors import InputError",
    "components/rootstock/head.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch",
    "components/rootstock/rows.py": "from .files import sha256_of",
    "components/rootstock/part/gate.py": "from rootstock.part.base import Part",
    "components/rootstock/params/task.py": "from rootstock.part import Part",
    "components/rootstock/stages.py": "from rootstock.similarity.rank import rank\nfrom rootstock.data.split import assign",
    "components/rootstock/data/registry.py": "def f():\n    from dvc.repo import Repo",
    "components/rootstock/data/split.py": "from rootstock.data.registry import add",
    "components/rootstock/validation/great_expectations_suite.py": "def f():\n    import great_expectations as gx",
    "components/rootstock/monitoring/evidently_report.py": "def f():\n    import evidently.core",
    "components/rootstock/registration/mlflow_registry.py": "def f():\n    import mlflow",
    "components/rootstock/similarity/rank.py": "from rootstock.params import Params\ndef f():\n    import numpy as np",
    "flows/rootstock_flows/train.py": "from prefect import flow",
    "flows/rootstock_flows/commands/run.py": "import click\ndef f():\n    from rootstock_flows.train import train",
}


@pytest.fixture
def clean_tree(tmp_path):
    for name, text in CLEAN.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule):
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_clean_tree_is_not_accused(rule, clean_tree):
    assert rule(clean_tree) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_breach_of_the_rule_is_found_and_no_other_rule_sees_it(rule, clean_tree):
    file, text = RULES[rule]
    (clean_tree / file).write_text(text + "\n", encoding="utf-8")
    accused = {other.__name__: other(clean_tree) for other in RULES}
    assert any(Path(file).name in line for line in accused[rule.__name__])
    assert [name for name, lines in accused.items() if lines] == [rule.__name__]


def test_a_relative_import_is_seen_as_what_it_means(clean_tree):
    (clean_tree / "components/rootstock/similarity/rank.py").write_text("from ..finetuning import finetune\n", encoding="utf-8")
    assert siblings_meet_in_records(clean_tree)


def test_a_tool_that_is_imported_nowhere_is_found(clean_tree):
    (clean_tree / "components/rootstock/data/registry.py").write_text("", encoding="utf-8")
    assert each_tool_in_one_file(clean_tree) == ["dvc is imported in no file: exactly one file may"]


def test_every_stage_package_exists():
    """A renamed package would otherwise slip out of the rules."""
    folders = {path.parent.name for path in (ROOT / "components" / "rootstock").glob("*/__init__.py")}
    assert folders == STAGE_PACKAGES | {"records", "part", "params"}
