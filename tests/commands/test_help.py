"""``--help`` costs next to nothing: no heavy library is loaded to print it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "transformers",
    "mlflow",
    "great_expectations",
    "evidently",
    "prefect",
    "dvc",
    "pandas",
    "numpy",
    "scipy",
    "sklearn",
)
CODE = """
import json, sys
from rootstock_flows.cli import main
sys.argv = ["rootstock", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def ask(*arguments: str) -> tuple[str, set[str]]:
    """What is printed, and the libraries loaded by then."""
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


def command_names() -> list[str]:
    from rootstock_flows.cli import command_line

    return command_line.list_commands(None)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("data", "add", "--help"), ("--version",)], ids=" ".join)
def test_help_loads_nothing_heavy(arguments):
    printed, loaded = ask(*arguments)
    assert printed
    assert loaded & set(HEAVY) == set()


def test_help_lists_every_command():
    printed, _ = ask("--help")
    assert {"run", "monitor", "retrain", "predict", "promote", "rollback", "data", "init", "stage", "parts", "params"} <= {
        line.split()[0] for line in printed.partition("Commands:")[2].splitlines() if line.strip()
    }


@pytest.mark.parametrize("name", command_names())
def test_every_command_says_what_it_does(name):
    from rootstock_flows.cli import command_line

    assert command_line.get_command(None, name).get_short_help_str()


def test_params_and_parts_load_nothing_heavy(tmp_path):
    _, loaded = ask("parts")
    assert loaded & set(HEAVY) == set()
