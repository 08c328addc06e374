"""The story of a decision, from the journal alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner
from rootstock.errors import DataError, InputError
from rootstock.journal import append
from rootstock.registration.story import WIDTH, Story, as_document, as_text, tell
from rootstock_flows.commands.explain import command

WORKSPACE = ".rootstock"


def lines_of(text: str, title: str) -> list[str]:
    """What stands under a title."""
    found, within = [], False
    for line in text.splitlines()[1:]:
        named = line[2:12].strip()
        within = named == title or (within and not named)
        if within:
            found.append(line[13:])
    return found


def test_a_promoted_version_is_found_by_its_number_and_a_refused_run_by_the_start_of_its_key(journal):
    entries = journal()
    assert tell(entries, "2", model="docs").decision.number == 4
    assert tell(entries, "cccccc", model="docs").decision.number == 7
    assert tell(entries, None, model="docs").decision.number == 11


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("7", "expected a version or the start of a run's key, found '7'; known: version 1, version 2, run cccccccccccc, "),
        ("zzzz", "found 'zzzz'"),
        ("9", "found '9'"),
    ],
)
def test_an_unknown_version_is_an_error_that_lists_the_known_ones_of_this_model(journal, wanted, said):
    with pytest.raises(InputError, match=re.escape(said)):
        tell(journal(), wanted, model="docs")


def test_a_model_without_any_decision_is_an_error_that_says_what_makes_one(journal):
    with pytest.raises(InputError, match="'rootstock run' makes one"):
        tell(journal(), None, model="nothing")


def test_a_key_that_begins_two_runs_asks_for_more_of_it(journal):
    entries = list(journal())
    twin = entries[6].model_copy(update={"facts": {**entries[6].facts, "run_key": "cccc" + "d" * 60}})
    with pytest.raises(InputError, match="2 such runs; give more of it"):
        tell([*entries, twin], "cccc", model="docs")


def test_what_came_after_is_all_that_touched_the_version_and_nothing_else(journal):
    story = tell(journal(), "2", model="docs")
    assert [(entry.number, entry.kind) for entry in story.later] == [(5, "promotion"), (8, "drift"), (10, "rollback")]


def test_a_refusal_touches_nothing(journal):
    assert tell(journal(), "cccc", model="docs").later == ()


def test_the_story_names_trigger_revision_source_and_why(journal):
    text = as_text(tell(journal(), "2", model="docs"))
    assert lines_of(text, "trigger") == ["drift: drift found by embedding_drift"]
    assert lines_of(text, "data")[0].startswith("torch-docs/v3 (md5 333333333333, git a1b2c3d), rows: 96 train, 450 test; ")
    assert lines_of(text, "source") == [
        "numpy-docs of 5 candidates: predicted gain 0.052 [0.002, 0.102]; numpy-docs gains most", "it led in both rounds",
    ]  # fmt: skip


def test_the_story_names_baselines_champion_gates_and_level_with_their_numbers(journal):
    text = as_text(tell(journal(), "2", model="docs"))
    assert lines_of(text, "measured") == ["accuracy 0.812 [0.762, 0.862]"]
    assert lines_of(text, "baselines") == ["majority 0.140 [0.090, 0.190]", "linear_probe 0.780 [0.730, 0.830]"]
    assert lines_of(text, "champion") == [
        "version 1: accuracy 0.775 [0.725, 0.825] on the same rows; version 1; 3 rows it learned from left out"
    ]
    assert lines_of(text, "level") == ["0.00096 (alpha 0.05 over 52 looks a year, 4 spent before)"]
    assert lines_of(text, "gates") == [
        "+ floor: 0.812 (0.77 to 0.85); required accuracy at least 0.3", "+ against_champion: +3.1 points; required above 0",
    ]  # fmt: skip
    assert lines_of(text, "report") == ["runs/x/report.html"]


def test_a_refused_run_says_so_first_and_marks_the_gate_that_refused_it(journal):
    text = as_text(tell(journal(), "cccc", model="docs"))
    assert text.splitlines()[0] == "docs run cccccccccccc: refused"
    assert lines_of(text, "gates")[1] == "- against_champion: +3.1 points; required above 0"
    assert lines_of(text, "approver") == []


def test_a_version_that_met_no_gates_is_not_said_to_have_passed_any(journal):
    story = tell(journal(), "1", model="docs")
    free = {**story.decision.facts, "gates": [], "looks": None, "level": None}
    text = as_text(replace(story, decision=story.decision.model_copy(update={"facts": free})))
    assert text.splitlines()[0] == "docs version 1: no gate was asked"
    assert lines_of(text, "level") == ["no gates were asked for"]


def test_who_overrode_the_gates_stands_as_approver(journal):
    text = " ".join(lines_of(as_text(tell(journal(), "3", model="docs")), "approver"))
    assert text.startswith("Ada, override of the gates' 'inconclusive': version 3 is champion in place of version 1, by Ada; we")


def test_who_moved_production_to_another_version_did_not_approve_the_one_before(journal):
    assert lines_of(as_text(tell(journal(), "1", model="docs")), "approver") == ["none asked for"]


def test_a_run_whose_data_was_refused_has_a_story_without_models(journal):
    text = as_text(tell(journal(), "dddd", model="docs"))
    assert text.splitlines()[0] == "docs run dddddddddddd: ended before training: the data was refused"
    assert lines_of(text, "gates") == lines_of(text, "source") == []


def test_a_story_fits_one_screen(journal):
    for wanted in ("1", "2", "3", "cccc", "dddd"):
        lines = as_text(tell(journal(), wanted, model="docs")).splitlines()
        assert len(lines) <= 40
        assert max(map(len, lines)) <= WIDTH


def test_the_document_holds_the_entries_as_they_stand_in_the_journal(journal):
    entries = journal()
    document = as_document(tell(entries, "2", model="docs"))
    assert document["decision"] == entries[3].model_dump(mode="json")
    assert [entry["number"] for entry in document["later"]] == [5, 8, 10]


@pytest.mark.parametrize("fact", ["trigger", "looks", "version", "environment"])
def test_a_decision_of_another_version_that_lacks_a_fact_is_one_line_that_names_it(journal, fact):
    entry = journal()[0]
    story = Story(entry.model_copy(update={"facts": {key: value for key, value in entry.facts.items() if key != fact}}), ())
    with pytest.raises(DataError, match=f"entry 1 of the journal: expected a decision with '{fact}', found none.* --json'"):
        as_text(story)


def test_a_decision_that_lacks_a_fact_is_shown_as_json_as_it_stands(journal, params_mapping, tmp_path):
    raw = params_mapping()
    raw["registration"]["model"] = "docs"
    (tmp_path / "params.yaml").write_text(json.dumps(raw), encoding="utf-8")
    facts = {key: value for key, value in journal()[0].facts.items() if key not in ("trigger", "model")}
    append(WORKSPACE, "decision", facts | {"run_key": "9999" * 16}, after=None)
    done = CliRunner().invoke(command, ["999999", "--json", "--params", str(tmp_path / "params.yaml")])
    assert json.loads(done.stdout)["decision"]["facts"]["run_key"] == "9999" * 16
