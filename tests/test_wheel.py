"""The wheel holds both import roots with their data files, and no other top-level name."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("setuptools") is None, reason="building the wheel without network needs setuptools>=77 installed"
    ),
]


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> list[str]:
    source, out = tmp_path_factory.mktemp("source") / "rootstock", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for folder in ("components", "flows"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (source / "README.md").write_text("# Rootstock\n", encoding="utf-8")
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / file).is_file():
            shutil.copy(ROOT / file, source / file)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(out), "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_only_the_two_import_roots_are_at_the_top(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rootstock", "rootstock_flows"}
    assert len(tops) == 3


def test_every_source_file_is_in(names):
    wanted = {
        path.relative_to(ROOT / folder).as_posix()
        for folder in ("components", "flows")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".py", ".jinja", ".css", ".csv", ".yaml", ".typed"}
    }
    assert {"rootstock/report/style.css", "rootstock/report/base.html.jinja", "rootstock_flows/params_template.yaml"} <= wanted
    assert "rootstock/similarity/outcomes.csv" in wanted
    assert {"rootstock/py.typed", "rootstock_flows/py.typed"} <= wanted
    assert wanted <= set(names)


def test_nothing_else_is_in(names):
    code = [name for name in names if ".dist-info/" not in name]
    assert {Path(name).suffix for name in code} == {".py", ".jinja", ".css", ".csv", ".yaml", ".typed"} | {
        path.suffix for path in (ROOT / "components").rglob("*.html")
    }
    assert not [name for name in code if "test" in Path(name).name]


def test_the_command_is_declared(names):
    assert any(name.endswith(".dist-info/entry_points.txt") for name in names)
