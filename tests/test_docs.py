"""What the documents say is true: commands exist, files exist, blocks match what the program prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml
from rootstock.params import parse_params
from rootstock.part import SimilarityMetric, members
from rootstock.stages import STAGES
from rootstock_flows.cli import command_line

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "infra/README.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str = "") -> list[str]:
    """Fenced blocks of a document."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL)


def command_names() -> list[str]:
    return command_line.list_commands(click.Context(command_line))  # type: ignore[attr-defined]


def command_lines() -> list[str]:
    """Each command with its first line of help, as README lists them."""
    context = click.Context(command_line)
    found = [(name, command_line.get_command(context, name)) for name in command_names()]  # type: ignore[attr-defined]
    return [f"rootstock {name:<10} {command.get_short_help_str(limit=100)}" for name, command in found]


def test_readme_lists_every_command_with_its_own_help() -> None:
    listed = README.split("## Commands")[1].split("```")[1].strip().splitlines()
    assert listed == command_lines()


def test_every_rootstock_command_in_the_documents_parses() -> None:
    used = [
        line
        for name in DOCUMENTS
        for block in blocks((ROOT / name).read_text(encoding="utf-8"))
        for step in block.splitlines()
        for line in step.split("&&")
        if line.strip().startswith("rootstock ")
    ]
    assert len(used) >= 5
    for line in used:
        words = shlex.split(line.split("  ")[0])[1:]
        context = click.Context(command_line)
        command = command_line.get_command(context, words[0])  # type: ignore[attr-defined]
        assert command is not None, line
        if isinstance(command, click.Group) and len(words) > 1:
            assert words[1] in command.list_commands(context), line


def test_make_targets_named_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    texts = [(ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS]
    named = {name for text in texts for name in re.findall(r"`make ([a-z]+)", text)}
    assert named
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_local_links_and_pictures_of_a_document_exist(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert ((ROOT / document).parent / target).is_file(), target


def test_output_of_make_run_in_readme_names_the_stages_in_order() -> None:
    shown = next(block for block in blocks(README) if "resolve" in block)
    assert re.findall(r"^  ([a-z]+) ", shown, flags=re.MULTILINE) == [stage.name for stage in STAGES]


def test_the_two_commands_of_readme_stand_in_its_first_block() -> None:
    assert "make run" in blocks(README)[0]


def test_the_metric_of_contributing_can_be_added_by_its_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rootstock.similarity as package

    source = blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "python")[0]
    (tmp_path / "mean_distance.py").write_text("\n".join(line[3:] for line in source.splitlines()) + "\n", encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    members.cache_clear()
    try:
        raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        raw["similarity"]["metrics"].append({"name": "mean_distance"})
        assert parse_params(raw, "params.yaml").similarity.metrics[-1].name == "mean_distance"
        assert "mean_distance" in members(SimilarityMetric)  # type: ignore[type-abstract]
    finally:
        members.cache_clear()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_has_no_place_left_to_fill(document: str) -> None:
    assert "@@" not in (ROOT / document).read_text(encoding="utf-8")
