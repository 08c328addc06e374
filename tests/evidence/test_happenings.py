"""The journal as a list for people."""

from __future__ import annotations

import json
import os
import time

import pytest
from click.testing import CliRunner
from rootstock.registration.happenings import history, line, tainted_versions


def told(entries, number: int) -> str:
    (entry,) = (each for each in entries if each.number == number)
    return line(entry, tainted=tainted_versions(entries))


def test_everything_is_listed_newest_last_but_the_ends_of_moves(journal):
    assert [entry.number for entry in history(journal(), limit=None)] == [1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14]


def test_a_limit_keeps_the_newest(journal):
    assert [entry.number for entry in history(journal(), limit=2)] == [13, 14]
    assert len(history(journal(), limit=1000)) == 12


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (2, "promoted: version 1 is champion; the gates said pass"),
        (5, "promoted: version 2 is champion in place of version 1; the gates said pass"),
        (7, "refused: run cccccccccccc, against version 2; trigger drift: drift found by embedding_drift; the gates said fail"),
        (8, "drift alarm: drift in characters, embeddings, window week-4, version 2; wait: no newer data"),
        (9, "data refused: run dddddddddddd; trigger"),
        (10, "rolled back: version 1 is champion in place of version 2, by "),
        (11, "inconclusive: version 3 (run eeeeeeeeeeee), against version 1;"),
        (12, "challenger: version 3; the gates said inconclusive [tainted]"),
        (13, "override of the gates' 'inconclusive': version 3 is champion in place of version 1, by Ada; we need it [tainted]"),
    ],
)
def test_each_kind_of_entry_has_a_line_of_its_own(journal, number, said):
    assert said in told(journal(), number)


def test_only_an_overridden_version_is_tainted_and_so_in_every_line(journal):
    entries = journal()
    assert tainted_versions(entries) == {("docs", "3")}
    assert [entry.number for entry in entries if "[tainted]" in told(entries, entry.number)] == [11, 12, 13]


def test_an_entry_of_a_kind_that_is_not_known_is_shown_with_its_facts(journal):
    unknown = journal()[0].model_copy(update={"kind": "new_kind", "facts": {"model": "docs", "note": "x" * 500}})
    said = line(unknown, tainted=frozenset())
    assert "new kind: model docs, note xxx" in said
    assert len(said) < 200


@pytest.mark.parametrize("fact", ["trigger", "compared_with", "version"])
def test_a_decision_of_another_version_that_lacks_a_fact_has_a_line_all_the_same(journal, fact):
    entry = journal()[0]
    older = entry.model_copy(update={"facts": {key: value for key, value in entry.facts.items() if key != fact}})
    assert f"decision: run_key {'aaaa' * 16}, task docs" in line(older, tainted=frozenset())


def test_explain_and_history_answer_from_the_journal_without_heavy_libraries(journal, params_mapping, tmp_path):
    import subprocess
    import sys

    import yaml

    raw = params_mapping()
    raw["registration"]["model"] = "docs"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom rootstock_flows.cli import command_line\n"
        "for words in (['explain', '2'], ['history'], ['explain', 'cccc', '--json']):\n"
        "    done = CliRunner().invoke(command_line, words, catch_exceptions=False)\n    assert done.exit_code == 0, done.output\n"
        "print(sorted({'mlflow', 'torch', 'pandas', 'numpy', 'prefect'} & set(sys.modules)))\n"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - began < 20


def test_history_as_json_names_the_tainted_versions(journal, params_mapping, tmp_path):
    import yaml
    from rootstock_flows.cli import command_line

    raw = params_mapping()
    raw["registration"]["model"] = "docs"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")
    done = CliRunner().invoke(command_line, ["history", "--json", "--limit", "3"], catch_exceptions=False)
    document = json.loads(done.stdout)
    assert [entry["number"] for entry in document["entries"]] == [12, 13, 14]
    assert document["tainted"] == [{"model": "docs", "version": "3"}]


def test_history_of_nothing_says_what_makes_the_first_entry(params_mapping, tmp_path, monkeypatch):
    import yaml
    from rootstock_flows.cli import command_line

    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params_mapping()), encoding="utf-8")
    done = CliRunner().invoke(command_line, ["history"], catch_exceptions=False)
    assert done.output == "nothing happened yet; 'rootstock run' makes the first entry\n"
