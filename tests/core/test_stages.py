"""Stages are read off the signatures of their functions, and their keys are of what they read."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
from rootstock import stages
from rootstock.errors import DataError, InputError, StorageError
from rootstock.params import Params, SimilarityParams, parse_params
from rootstock.records import RECORD_FILE, GateVerdict, History, Incumbent, PreparedData, Record, SourceRanking, ValidationReport
from rootstock.stages import CONTEXT, STAGES, Stage, find_stage, load_intact, producer, run_key, run_stage, stage_folder, stage_key

NOBODY = Incumbent(version=None, model=None, run_key=None, earlier=())


def echo(incumbent: Incumbent, *, similarity: SimilarityParams, seed: int, folder: Path, run_key: str, trigger: str) -> GateVerdict:
    (folder / "file.txt").write_text("x", encoding="utf-8")
    said = f"{incumbent.version} {seed} {similarity.folds} {run_key} {trigger}"
    return GateVerdict(verdict="pass", results=(), reason=said, looks=None)


def stop(incumbent: Incumbent, *, seed: int, folder: Path) -> GateVerdict:
    (folder / "half.txt").write_text("x", encoding="utf-8")
    raise DataError("no")


ECHO = Stage("echo", echo, False, "say it again")
STOP = Stage("stop", stop, False, "stop")


@pytest.fixture
def params(params_mapping) -> Params:
    return parse_params(params_mapping(), "params.yaml")


def changed(params: Params, section: str, **values: object) -> Params:
    part = getattr(params, section)
    return params.model_copy(update={section: part.model_copy(update=values)})


def test_the_signature_gives_inputs_sections_and_output():
    assert ECHO.inputs == (Incumbent,)
    assert ECHO.sections == ("similarity", "seed")
    assert ECHO.output is GateVerdict


def test_the_rank_stage_reads_what_its_function_takes():
    rank = find_stage("rank")
    assert rank.inputs == (PreparedData, ValidationReport, Incumbent, History)
    assert rank.sections == ("data", "backbone", "similarity", "workspace", "seed")
    assert rank.output is SourceRanking


def test_every_section_that_a_stage_reads_is_one_of_the_params():
    assert all(set(stage.sections) <= set(Params.model_fields) for stage in STAGES)


def test_every_input_is_the_output_of_an_earlier_stage():
    made: set[type[Record]] = set()
    for stage in STAGES:
        assert set(stage.inputs) <= made, stage.name
        made.add(stage.output)


def test_each_record_has_one_producer():
    assert len({stage.output for stage in STAGES}) == len(STAGES)
    assert producer(SourceRanking).name == "rank"


def test_an_unknown_stage_gets_a_suggestion():
    with pytest.raises(InputError, match=r"unknown stage 'rnk'.*did you mean 'rank'\?"):
        find_stage("rnk")


def test_the_key_changes_with_a_section_that_is_read_and_with_no_other(params):
    key = stage_key(ECHO, {Incumbent: NOBODY}, params)
    assert stage_key(ECHO, {Incumbent: NOBODY}, changed(params, "similarity", folds=9)) != key
    assert stage_key(ECHO, {Incumbent: NOBODY}, params.model_copy(update={"seed": 5})) != key
    assert stage_key(ECHO, {Incumbent: NOBODY}, changed(params, "flow", retries=9)) == key
    assert stage_key(ECHO, {Incumbent: NOBODY}, params.model_copy(update={"workspace": "elsewhere"})) == key


def test_the_key_changes_with_an_input_the_name_and_the_code(params, monkeypatch):
    key = stage_key(ECHO, {Incumbent: NOBODY}, params)
    assert stage_key(ECHO, {Incumbent: NOBODY.model_copy(update={"version": "2"})}, params) != key
    assert stage_key(dataclasses.replace(ECHO, name="other"), {Incumbent: NOBODY}, params) != key
    monkeypatch.setattr(stages, "code_version", lambda: "another")
    assert stage_key(ECHO, {Incumbent: NOBODY}, params) != key


def test_a_folder_is_named_by_stage_and_key():
    assert stage_folder(ECHO, "0123456789abcdef0123", "w") == Path("w/stages/echo/0123456789abcdef")


def test_a_stage_gets_what_it_asks_for_and_its_record_is_saved(params, tmp_path):
    record = run_stage(ECHO, {Incumbent: NOBODY}, params=params, folder=tmp_path / "a", run_key="key", trigger="schedule")
    assert record.reason == f"None {params.seed} {params.similarity.folds} key schedule"
    assert load_intact(ECHO, tmp_path / "a") == (record, ())


@pytest.mark.parametrize("stage", [stage for stage in STAGES if not stage.volatile], ids=lambda stage: stage.name)
def test_what_set_a_run_off_is_unknown_to_every_stage_that_is_kept(stage):
    assert set(inspect.signature(stage.function).parameters) & CONTEXT <= {"folder"}


def test_a_stage_that_raises_leaves_no_record(params, tmp_path):
    run_stage(ECHO, {Incumbent: NOBODY}, params=params, folder=tmp_path / "a", run_key="key")
    with pytest.raises(DataError, match="no"):
        run_stage(STOP, {Incumbent: NOBODY}, params=params, folder=tmp_path / "a", run_key="key")
    assert not (tmp_path / "a" / RECORD_FILE).exists()
    assert load_intact(STOP, tmp_path / "a") == (None, ())


def test_a_folder_is_emptied_before_a_stage_runs_again_unless_it_looks_at_the_world(params, tmp_path):
    for stage, kept in ((ECHO, False), (dataclasses.replace(ECHO, volatile=True), True)):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / "left.txt").write_text("x", encoding="utf-8")
        run_stage(stage, {Incumbent: NOBODY}, params=params, folder=tmp_path / "a", run_key="key")
        assert (tmp_path / "a" / "left.txt").exists() is kept


def test_a_full_disk_in_a_stage_is_a_storage_error(params, tmp_path):
    def full(*, seed: int, folder: Path) -> GateVerdict:
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left on device"):
        run_stage(Stage("full", full, False, ""), {}, params=params, folder=tmp_path / "a", run_key="key")


def test_a_record_of_another_version_is_not_taken(params, tmp_path):
    (tmp_path / RECORD_FILE).write_text("{}", encoding="utf-8")
    record, damage = load_intact(ECHO, tmp_path)
    assert record is None
    assert re.search("not a GateVerdict", damage[0])


def test_the_key_of_a_run_leaves_out_when_and_where(params):
    key = run_key(NOBODY, params)
    assert run_key(NOBODY, changed(params, "flow", retries=9)) == key
    assert run_key(NOBODY, params.model_copy(update={"workspace": "elsewhere"})) == key
    assert run_key(NOBODY, changed(params, "finetuning", folds=9)) != key
